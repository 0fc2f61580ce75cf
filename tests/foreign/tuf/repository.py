"""A repository made by python-tuf, the reference implementation, and a web server that serves it.

Each role's published bytes are kept by version, so that a test can serve what an attacker would.
"""

import hashlib
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

ONLINE = ("timestamp", "snapshot")
TOP = ("root", "timestamp", "snapshot", "targets")
NOW = datetime.now(UTC).replace(microsecond=0)


def days(count):
    """A time so many days from now."""
    return NOW + timedelta(days=count)


class Repository:
    """What is published, and who signs it."""

    def __init__(self, keytype="ed25519"):
        self.keytype = keytype
        self.hashes = False
        self.prefixed = True
        self.asked = []
        self.published = {}
        self.contents = {}
        self.files = {}
        self.signers = {}
        self.roles = {
            "root": Root(consistent_snapshot=True, expires=days(30)),
            "timestamp": Timestamp(expires=days(30)),
            "snapshot": Snapshot(expires=days(30)),
            "targets": Targets(expires=days(30)),
        }
        for role in TOP:
            self.add_key(role)
        self.publish("targets", "snapshot", "timestamp", "root")

    root = property(lambda self: self.roles["root"])
    timestamp = property(lambda self: self.roles["timestamp"])
    snapshot = property(lambda self: self.roles["snapshot"])
    targets = property(lambda self: self.roles["targets"])

    def new_signer(self):
        make = {
            "ed25519": CryptoSigner.generate_ed25519,
            "ecdsa": CryptoSigner.generate_ecdsa,
            "rsa": CryptoSigner.generate_rsa,
        }
        return make[self.keytype]()

    def add_key(self, role, signer=None, delegator=None):
        signer = signer or self.new_signer()
        (self.root if delegator is None else self.roles[delegator]).add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        return signer

    def rotate(self, *roles):
        """New keys for roles of the root; as many as the threshold says."""
        for role in roles:
            self.root.roles[role].keyids.clear()
            self.signers[role].clear()
            for _ in range(self.root.roles[role].threshold):
                self.add_key(role)

    def sign(self, role, signed=None):
        metadata = Metadata(signed or self.roles[role])
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def publish(self, *roles, bump=True):
        """Signs roles and makes them the newest; what a parent pins follows."""
        for role in roles:
            signed = self.roles[role]
            if bump and role in self.published:
                signed.version += 1
            data = self.sign(role)
            self.published.setdefault(role, {})[signed.version] = data
            pin = MetaFile(signed.version)
            if self.hashes:
                pin = MetaFile(signed.version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})
            if role == "snapshot":
                self.timestamp.snapshot_meta = pin
            elif role not in ("root", "timestamp"):
                self.snapshot.meta[f"{role}.json"] = pin

    def release(self, *roles):
        """Publishes roles of targets, and what leads to them."""
        self.publish(*roles, "snapshot", "timestamp")

    def delegate(self, delegator, name, paths=("*",), terminating=False, prefixes=None, expires=None):
        """Gives a role a say over paths, or over hash prefixes."""
        parent = self.roles[delegator]
        if parent.delegations is None:
            parent.delegations = Delegations({}, roles={})
        paths = None if prefixes else list(paths)
        parent.delegations.roles[name] = DelegatedRole(name, [], 1, terminating, paths, prefixes)
        if name not in self.roles:
            self.roles[name] = Targets(expires=expires or days(30))
        self.add_key(name, delegator=delegator)

    def add(self, role, path, data, hashes=("sha256",)):
        """Lists a file and serves it."""
        listed = TargetFile.from_data(path, data, list(hashes))
        self.roles[role].targets[path] = listed
        self.contents[path] = data
        self.files[path] = listed

    def metadata(self, name):
        """What is served under a name such as `3.snapshot.json`."""
        if not name.endswith(".json"):
            return None
        whole = name[: -len(".json")]
        version, _, role = whole.partition(".")
        if whole == "timestamp" or not (self.root.consistent_snapshot or role == "root"):
            self.asked.append((whole, None))
            versions = self.published.get(unquote(whole), {})
            return versions[max(versions, key=list(versions).index)] if versions else None
        if not version.isdigit():
            return None
        self.asked.append((role, int(version)))
        return self.published.get(unquote(role), {}).get(int(version))

    def target(self, path):
        self.asked.append(("target", path))
        folder, slash, name = path.rpartition("/")
        prefix, _, bare = name.partition(".")
        if not (self.root.consistent_snapshot and self.prefixed):
            return self.contents.get(unquote(path))
        bare = unquote(folder + slash + bare)
        listed = self.files.get(bare)
        return self.contents[bare] if listed and prefix in listed.hashes.values() else None


class Server(ThreadingHTTPServer):
    """Serves repositories by name, and keeps connections open."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, name, part):
        return f"http://127.0.0.1:{self.server_address[1]}/{quote(name, '')}/{part}/"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name, _, rest = self.path.lstrip("/").partition("/")
        part, _, path = rest.partition("/")
        repository = self.server.repositories[unquote(name)]
        serve = {"metadata": repository.metadata, "targets": repository.target}
        data = serve[part](path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *args):
        pass
