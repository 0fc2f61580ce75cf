"""python-tuf's client against a repository that cloud-stub made.

Criterion: T3.SU.1a (positive)
Criterion: T3.SU.1a (negative)
"""

import functools
import hashlib
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import threading

from tuf.api.exceptions import BadVersionNumberError, RepositoryError, UnsignedMetadataError
from tuf.ngclient import Updater

cloud, work = sys.argv[1], pathlib.Path(sys.argv[2])
folder = work / "cloud"
checks = 0


def ok(what):
    global checks
    checks += 1
    print(f"  ok: {what}")


def make(*words):
    """Runs cloud-stub on the folder."""
    command = [cloud, *words, "--folder", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve():
    handler = functools.partial(Quiet, directory=folder / "repository")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def client(name, fresh=False):
    """A client with a memory of its own, which pinned the first root."""
    home = work / f"client-{name}"
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    (home / "metadata").mkdir(parents=True, exist_ok=True)
    (home / "targets").mkdir(exist_ok=True)
    updater = Updater(
        metadata_dir=str(home / "metadata"),
        metadata_base_url=f"{url}/metadata/",
        target_dir=str(home / "targets"),
        target_base_url=f"{url}/targets/",
        bootstrap=(folder / "repository/metadata/1.root.json").read_bytes(),
    )
    updater.refresh()
    return updater


def fetch(updater, path):
    info = updater.get_targetinfo(path)
    assert info is not None, f"{path} is no target"
    return info, pathlib.Path(updater.download_target(info)).read_bytes()


def refused(kinds, what, do):
    try:
        do()
    except kinds as why:
        ok(f"{what}: {type(why).__name__}")
    else:
        sys.exit(f"FAILED: {what} was believed")


image = work / "image"
image.write_bytes(bytes(range(256)) * 1024)
make("ceremony", "acme")
make("ceremony", "other")
make("release", "acme.lamp", "1.0", str(image), "--security", "high", "--notes", 'Fixes a "hole" — now')
make("release", "other.lock", "1.0", str(image))
url = serve()

updater = client("first")
info, content = fetch(updater, "c/acme.lamp/1/image")
assert content == image.read_bytes()
custom = info.unrecognized_fields["custom"]
assert (custom["model"], custom["counter"], custom["security"]) == ("acme.lamp", 1, "high"), custom
ok("a release verifies, with what is told about it")
_, chunks = fetch(updater, "c/acme.lamp/1/chunks")
pieces = [content[at : at + 65536] for at in range(0, len(content), 65536)]
assert chunks == b"".join(hashlib.sha256(piece).digest() for piece in pieces)
fetch(updater, "c/acme.lamp/1/manifest.cose")
fetch(updater, "c/other.lock/1/image")
_, anchor = fetch(updater, "anchors/acme.lamp/1.cose")
assert anchor == (folder / "anchors/acme/1.cose").read_bytes()
ok("chunk list, manifest, anchor and another vendor's release verify")

for rotation in ["root", "targets", "snapshot", "timestamp", "vendor acme", "anchors acme"]:
    make("rotate", *rotation.split())
    fetch(client("first"), "c/acme.lamp/1/image")
    fetch(client("new", fresh=True), "c/acme.lamp/1/image")
    ok(f"after new keys for {rotation} an old and a new client verify")
fetch(client("first"), "anchors/acme.lamp/2.cose")

make("release", "acme.lamp", "1.1", str(image), "--without", "vendor.acme-4", "--without", "manifest.acme-5")
fetch(client("first"), "c/acme.lamp/2/image")
ok("two of three keys are enough")
make("revoke", "acme.lamp", "2")
assert client("first").get_targetinfo("c/acme.lamp/2/image") is None
ok("a revoked release is no target")

metadata = folder / "repository/metadata"
timestamp = metadata / "timestamp.json"
newest = timestamp.read_bytes()
version = json.loads(newest)["signed"]["version"]
timestamp.write_bytes((folder / f"repository/former/{version - 1}.timestamp.json").read_bytes())
# The reference client keeps what it has when the version fell: it raises, and its memory stays.
refused(BadVersionNumberError, "a former timestamp", lambda: client("first"))
forged = json.loads(newest)
forged["signed"]["version"] += 1
timestamp.write_text(json.dumps(forged))
refused(UnsignedMetadataError, "a timestamp that nobody signed", lambda: client("first"))
timestamp.write_bytes(newest)

stored = next((folder / "repository/targets/c/acme.lamp/1").glob("*.image"))
damaged = bytearray(stored.read_bytes())
damaged[1000] ^= 1
stored.write_bytes(damaged)
refused(RepositoryError, "an image with one other bit", lambda: fetch(client("new", fresh=True), "c/acme.lamp/1/image"))
print(f"python-tuf: {checks} checks hold")
