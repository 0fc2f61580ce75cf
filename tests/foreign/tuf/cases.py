"""Cases in the manner of the TUF project's conformance suite, and six of stored metadata that was damaged.

cases.py PATH-OF-TUF-CLIENT: one line for each case, a total, and a failure when one does not hold.
The repositories are python-tuf's; what is checked is what the client answers, what it trusts afterwards,
what it downloaded and what it asked for.

Criterion: T3.SU.1a (positive)
Criterion: T3.SU.1a (negative)
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from urllib.parse import quote

from repository import TOP, Repository, Server, days
from tuf.api.metadata import MetaFile

CASES = []
FAKETIME = shutil.which("faketime")


def case(function):
    CASES.append((function.__name__.replace("_", " "), function))
    return function


def cases(**named):
    """One case for each set of arguments."""

    def add(function):
        for name, arguments in named.items():
            label = f"{function.__name__.replace('_', ' ')}: {name.replace('_', ' ')}"
            CASES.append((label, lambda client, bound=arguments: function(client, *bound)))
        return function

    return add


class Client:
    """The client with folders of its own, against one repository."""

    def __init__(self, program, server, name, folder):
        self.program, self.server, self.name = program, server, name
        self.metadata, self.targets = folder / "metadata", folder / "targets"
        self.metadata.mkdir()
        self.targets.mkdir()
        self.said = ""

    def use(self, repository=None, init=True):
        """Serves this repository, and pins its first root."""
        repository = repository or Repository()
        self.server.repositories[self.name] = repository
        if init:
            assert self.init(repository.published["root"][1]) == 0, self.said
        return repository

    def run(self, *arguments, at=None):
        command = [self.program, *arguments]
        if at:
            command = [FAKETIME, f"{at:%Y-%m-%d %H:%M:%S}", *command]
        environment = os.environ | {"TZ": "UTC"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        self.said = done.stderr.strip()
        assert "panicked" not in self.said, self.said
        return done.returncode

    def init(self, root):
        path = self.metadata.parent / "pinned.json"
        path.write_bytes(root)
        return self.run("--metadata-dir", str(self.metadata), "init", str(path))

    def refresh(self, at=None):
        url = self.server.address(self.name, "metadata")
        return self.run("--metadata-url", url, "--metadata-dir", str(self.metadata), "refresh", at=at)

    def download(self, *names, at=None):
        wanted = [word for name in names for word in ("--target-name", name)]
        return self.run(
            "--metadata-url", self.server.address(self.name, "metadata"),
            "--metadata-dir", str(self.metadata), *wanted, "--target-dir", str(self.targets),
            "--target-base-url", self.server.address(self.name, "targets"), "download", at=at,
        )

    def trusted(self):
        """Versions by role; the names of the files are not looked at beyond the ending."""
        files = sorted(self.metadata.glob("*.json"))
        return {path.name[: -len(".json")]: json.loads(path.read_bytes())["signed"]["version"] for path in files}

    def fetched(self):
        files = [path for path in self.targets.rglob("*") if path.is_file()]
        return sorted(path.read_bytes() for path in files)

    def believes(self, **arguments):
        assert self.refresh(**arguments) == 0, self.said

    def refuses(self, word, **arguments):
        code = self.refresh(**arguments)
        assert code == 1 and f"refused ({word})" in self.said, f"{code}: {self.said or 'nothing said'}"


def versions(root=1, timestamp=1, snapshot=1, targets=1):
    return {"root": root, "snapshot": snapshot, "targets": targets, "timestamp": timestamp}


# the workflow


@case
def first_refresh_asks_for_four_files(client):
    repository = client.use()
    client.believes()
    assert repository.asked == [("root", 2), ("timestamp", None), ("snapshot", 1), ("targets", 1)]
    assert client.trusted() == versions()


@case
def second_refresh_asks_for_nothing_it_has(client):
    repository = client.use()
    client.believes()
    repository.asked.clear()
    client.believes()
    assert repository.asked == [("root", 2), ("timestamp", None)]


@case
def download_refreshes_first(client):
    repository = client.use()
    assert client.download("nothing like it") == 1
    assert [role for role, _ in repository.asked] == ["root", "timestamp", "snapshot", "targets"]
    assert client.trusted() == versions()


@case
def stores_the_bytes_it_received(client):
    repository = client.use()
    repository.published["timestamp"][1] += b"\n "
    client.believes()
    assert (client.metadata / "timestamp.json").read_bytes() == repository.published["timestamp"][1]


@case
def options_may_follow_the_command(client):
    client.use()
    url = client.server.address(client.name, "metadata")
    assert client.run("refresh", "--metadata-dir", str(client.metadata), "--metadata-url", url) == 0


@case
def wrong_usage_is_no_success(client):
    client.use()
    for words in ([], ["refresh"], ["--metadata-dir", str(client.metadata), "refresh"], ["--unknown", "refresh"]):
        assert client.run(*words) != 0, words


@cases(without_version=("version",), with_a_wrong_signature=(None,))
def bad_first_root_means_no_requests(client, missing):
    repository = client.use(init=False)
    root = json.loads(repository.published["root"][1])
    if missing:
        del root["signed"][missing]
    else:
        root["signatures"][0]["sig"] = "00" * 64
    client.init(json.dumps(root).encode())
    assert client.refresh() == 1 and repository.asked == []


@cases(ed25519=("ed25519",), ecdsa=("ecdsa",), rsa=("rsa",))
def key_types(client, keytype):
    client.use(Repository(keytype))
    client.believes()


@case
def unknown_fields_are_part_of_what_is_signed(client):
    repository = client.use()
    repository.root.unrecognized_fields["a"] = {"b": 1}
    repository.root.roles["root"].unrecognized_fields["c"] = "d"
    repository.publish("root")
    client.believes()
    assert client.trusted()["root"] == 2


@case
def keyids_are_opaque_names(client):
    repository = client.use()
    signer = repository.new_signer()
    signer.public_key.keyid = "ab" * 32
    signer.public_key.unrecognized_fields["keyid_hash_algorithms"] = ["md5"]
    repository.root.roles["snapshot"].keyids.clear()
    repository.signers["snapshot"].clear()
    repository.add_key("snapshot", signer)
    repository.publish("root")
    repository.release()
    client.believes()


@case
def repository_without_consistent_snapshots(client):
    repository = Repository()
    repository.root.consistent_snapshot = False
    repository.publish("root")
    repository.delegate("targets", "vendor")
    repository.add("vendor", "dir/file", b"plain name")
    repository.release("vendor", "targets")
    client.use(repository)
    repository.roles["vendor"].delegations = None
    assert client.download("dir/file") == 1, "a star matches one part of a path"
    repository.delegate("targets", "vendor", ("dir/*",))
    repository.release("vendor", "targets")
    assert client.download("dir/file") == 0, client.said
    assert client.fetched() == [b"plain name"]
    assert ("snapshot", None) in repository.asked and ("target", "dir/file") in repository.asked


# signatures


@cases(root=("root",), timestamp=("timestamp",), snapshot=("snapshot",), targets=("targets",))
def unsigned_role_stops_where_it_stands(client, role):
    repository = client.use()
    repository.signers[role].clear()
    repository.publish("root") if role == "root" else repository.release("targets")
    client.refuses("arbitrary-software")
    order = {"root": [], "timestamp": [], "snapshot": ["timestamp"], "targets": ["snapshot", "timestamp"]}
    assert sorted(client.trusted()) == sorted(["root", *order[role]])


ROOTS = {
    "one_of_one_rotated": ([([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])], True),
    "with_signatures_nobody_asked_for": ([([1], 1, [3, 1, 4]), ([2], 1, [3, 2, 1, 4])], True),
    "three_of_five_in_changing_company": ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 2, 3, 4], 3, [0, 4, 1])], True),
    "all_five_rotated": ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7])], True),
    "threshold_up": ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])], True),
    "threshold_down": ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2])], True),
    "not_signed_by_the_old_key": ([([1], 1, [1]), ([2], 1, [2, 3])], False),
    "not_signed_by_the_new_key": ([([1], 1, [1]), ([2], 1, [1, 3])], False),
    "new_threshold_not_reached": ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2])], False),
    "old_threshold_not_reached": ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1])], False),
}


@cases(**ROOTS)
def root_chain(client, roots, good):
    repository = Repository()
    keys = [repository.new_signer() for _ in range(10)]
    repository.published["root"].clear()
    for version, (names, threshold, signers) in enumerate(roots, 1):
        role = repository.root.roles["root"]
        role.keyids.clear()
        role.threshold, repository.root.version = threshold, version
        for key in names:
            repository.root.add_key(keys[key].public_key, "root")
        repository.signers["root"] = [keys[key] for key in signers]
        repository.publish("root", bump=False)
    client.use(repository)
    assert client.refresh() == (0 if good else 1), client.said
    newest = repository.published["root"][len(roots) if good else len(roots) - 1]
    assert (client.metadata / "root.json").read_bytes() == newest


@cases(timestamp=("timestamp",), snapshot=("snapshot",), targets=("targets",))
def rotated_out_key_signs_no_more(client, role):
    repository = client.use()
    client.believes()
    stolen = list(repository.signers[role])
    repository.rotate(role)
    repository.publish("root")
    repository.release("targets")
    client.believes()
    repository.signers[role] = stolen
    repository.release("targets")
    client.refuses("arbitrary-software")


@case
def threshold_counts_signers_not_signatures(client):
    repository = client.use()
    client.believes()
    repository.root.roles["snapshot"].threshold = 2
    repository.add_key("snapshot")
    repository.publish("root")
    repository.signers["snapshot"] = repository.signers["snapshot"][:1] * 2
    repository.release()
    data = json.loads(repository.published["snapshot"][2])
    data["signatures"] = data["signatures"][:1] * 2
    repository.published["snapshot"][2] = json.dumps(data).encode()
    client.refuses("arbitrary-software")
    assert client.trusted() == versions(root=2, timestamp=2)


@case
def higher_threshold_refuses_what_was_stored(client):
    repository = client.use()
    client.believes()
    repository.root.roles["snapshot"].threshold = 5
    repository.publish("root")
    client.refuses("arbitrary-software")
    assert client.trusted() == versions(root=2)


@case
def snapshot_signed_as_timestamp(client):
    repository = client.use()
    repository.add_key("snapshot", repository.signers["timestamp"][0])
    repository.snapshot.meta = {"snapshot.json": MetaFile(1)}
    repository.publish("root", "snapshot")
    repository.published["timestamp"] = {2: repository.published["snapshot"].pop(2)}
    client.refuses("arbitrary-software")
    assert client.trusted() == {"root": 2}


@case
def root_with_another_version_than_asked_for(client):
    repository = client.use()
    repository.publish("root")
    repository.publish("root")
    repository.published["root"][2] = repository.published["root"][3]
    client.refuses("rollback")
    assert client.trusted() == {"root": 1}


# versions


@case
def timestamp_rolled_back(client):
    repository = client.use()
    repository.publish("timestamp")
    client.believes()
    del repository.published["timestamp"][2]
    client.refuses("rollback")
    assert client.trusted() == versions(timestamp=2)
    assert repository.asked[-1] == ("timestamp", None)


@cases(plainly=(False,), with_hashes=(True,))
def snapshot_rolled_back(client, hashes):
    repository = Repository()
    repository.hashes = hashes
    repository.release()
    client.use(repository)
    client.believes()
    repository.timestamp.snapshot_meta = MetaFile(1)
    repository.publish("timestamp")
    client.refuses("rollback")
    assert client.trusted() == versions(timestamp=2, snapshot=2)


@cases(plainly=(False,), with_hashes=(True,))
def targets_rolled_back(client, hashes):
    repository = Repository()
    repository.hashes = hashes
    repository.release("targets")
    client.use(repository)
    client.believes()
    repository.snapshot.meta["targets.json"] = MetaFile(1)
    repository.release()
    client.refuses("rollback")
    assert client.trusted()["targets"] == 2 and client.trusted()["snapshot"] == 2


@case
def other_timestamp_with_the_same_version_is_not_kept(client):
    repository = client.use()
    client.believes()
    repository.timestamp.snapshot_meta.version = 100
    repository.publish("timestamp", bump=False)
    client.believes()
    assert repository.asked[-1] == ("timestamp", None)
    stored = json.loads((client.metadata / "timestamp.json").read_bytes())
    assert stored["signed"]["meta"]["snapshot.json"]["version"] == 1


@case
def snapshot_that_is_missing(client):
    repository = client.use()
    client.believes()
    repository.timestamp.snapshot_meta.version += 1
    repository.publish("timestamp")
    client.refuses("unreachable")
    assert client.trusted() == versions(timestamp=2) and repository.asked[-1] == ("snapshot", 2)


@case
def targets_that_are_missing(client):
    repository = client.use()
    client.believes()
    repository.snapshot.meta["targets.json"].version += 1
    repository.release()
    client.refuses("unreachable")
    assert client.trusted() == versions(timestamp=2, snapshot=2)


@case
def targets_with_another_hash(client):
    repository = Repository()
    repository.hashes = True
    repository.release("targets")
    client.use(repository)
    client.believes()
    repository.publish("targets")
    repository.snapshot.meta["targets.json"].hashes["sha256"] = "46" * 32
    repository.release()
    client.refuses("mix-and-match")
    assert client.trusted() == versions(timestamp=3, snapshot=3, targets=2)


@case
def targets_of_the_release_before(client):
    repository = client.use()
    client.believes()
    repository.release("targets")
    repository.published["targets"][2] = repository.published["targets"][1]
    client.refuses("mix-and-match")


@cases(timestamp=(("timestamp",),), snapshot=(("timestamp", "snapshot"),), targets=(("snapshot",),))
def fast_forward_recovery_by_new_keys(client, rotated):
    repository = client.use()
    role = {("timestamp",): "timestamp", ("timestamp", "snapshot"): "snapshot", ("snapshot",): "targets"}[rotated]
    repository.roles[role].version = 99_999
    repository.release("targets")
    client.believes()
    reached = client.trusted()[role]
    repository.roles[role].version = 1
    repository.release("targets") if role != "timestamp" else repository.publish("timestamp")
    client.refuses("rollback")
    repository.rotate(*rotated)
    repository.publish("root")
    repository.release("targets")
    client.believes()
    assert 1 < client.trusted()[role] < reached


@case
def more_roots_than_one_refresh_follows(client):
    repository = client.use()
    for _ in range(40):
        repository.publish("root")
    client.refuses("endless-data")
    assert client.trusted() == {"root": 33}
    client.believes()
    assert client.trusted()["root"] == 41


# time


@cases(timestamp=("timestamp",), snapshot=("snapshot",), targets=("targets",))
def expired_role_is_not_taken(client, role):
    repository = client.use()
    client.believes()
    repository.roles[role].expires = days(-1)
    repository.release("targets")
    client.refuses("freeze")
    assert client.trusted()[role] == 1
    assert client.trusted()["timestamp"] == (1 if role == "timestamp" else 2)


@case
def expired_root_is_taken_but_nothing_after_it(client):
    repository = client.use()
    client.believes()
    repository.root.expires = days(-1)
    repository.publish("root")
    repository.release("targets")
    client.refuses("freeze")
    assert client.trusted() == versions(root=2)
    repository.root.expires = days(30)
    repository.publish("root")
    client.believes()
    assert client.trusted() == versions(root=3, timestamp=2, snapshot=2, targets=2)


@case
def expired_stored_metadata_still_leads_to_newer(client):
    repository = Repository()
    repository.timestamp.expires = days(7)
    repository.publish("timestamp")
    client.use(repository)
    client.believes()
    client.refuses("freeze", at=days(18))
    repository.timestamp.expires = days(21)
    repository.release("targets")
    client.believes(at=days(18))
    assert client.trusted()["timestamp"] == 3


@case
def expired_delegated_role_is_not_used(client):
    repository = client.use()
    repository.delegate("targets", "vendor", ("v/*",), expires=days(-1))
    repository.add("vendor", "v/file", b"content")
    repository.release("vendor", "targets")
    client.believes()
    assert client.download("v/file") == 1 and "freeze" in client.said
    assert "vendor" not in client.trusted() and client.fetched() == []


@case
def delegated_role_that_expires_while_it_is_stored(client):
    repository = client.use()
    repository.delegate("targets", "vendor", ("v/*",), expires=days(7))
    repository.add("vendor", "v/first", b"first")
    repository.add("vendor", "v/second", b"second")
    repository.release("vendor", "targets")
    assert client.download("v/first") == 0, client.said
    assert client.download("v/second", at=days(18)) == 1 and "freeze" in client.said
    repository.roles["vendor"].expires = days(21)
    repository.release("vendor")
    assert client.download("v/second", at=days(18)) == 0, client.said
    assert client.fetched() == [b"first", b"second"]


# delegations


GRAPHS = {
    "one": ([("targets", "A")], "A"),
    "two_beside_each_other": ([("targets", "A"), ("targets", "B")], "AB"),
    "depth_first": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("A", "D")], "ACDB"),
    "deeper": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("C", "D")], "ACDB"),
    "terminating": ([("targets", "A"), ("targets", "B"), ("A", "C", {"terminating": True}), ("A", "D")], "AC"),
    "terminating_but_its_own": ([("targets", "A"), ("targets", "B"), ("A", "C", {"terminating": True}), ("C", "D")], "ACD"),
    "other_paths": ([("targets", "A", {"paths": ["*.py"]}), ("targets", "B"), ("A", "C")], "B"),
    "circle": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("C", "D"), ("D", "B")], "ABCD"),
    "two_ways": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C")], "ACB"),
}


@cases(**GRAPHS)
def delegations_are_walked_in_order(client, edges, order):
    repository = client.use()
    for delegator, name, *how in edges:
        repository.delegate(delegator, name, **(how[0] if how else {}))
    repository.release(*sorted({name for _, name, *_ in edges}), "targets")
    assert client.download("missing") == 1
    assert [role for role, _ in repository.asked[4:]] == list(order), repository.asked


@cases(by_star=("releases/x/file", True), of_another_depth=("releases/x/y/file", False), of_nobody=("other/x/file", False))
def path_patterns(client, path, found):
    repository = client.use()
    repository.delegate("targets", "vendor", ("releases/*/*",))
    repository.add("vendor", path, b"content")
    repository.release("vendor", "targets")
    assert client.download(path) == (0 if found else 1), client.said
    assert client.fetched() == ([b"content"] if found else [])


@case
def hash_prefixes(client):
    repository = client.use()
    for name, path in (("mine", "a/file"), ("other", "another/file")):
        prefix = hashlib.sha256(path.encode()).hexdigest()[:6]
        repository.delegate("targets", name, prefixes=[prefix])
        repository.add(name, path, name.encode())
    repository.add("mine", "another/file", b"not mine to sign")
    repository.add("other", "another/file", b"other")
    repository.release("mine", "other", "targets")
    assert client.download("a/file", "another/file") == 0, client.said
    assert client.fetched() == [b"mine", b"other"]


@case
def search_ends_after_32_roles(client):
    repository = client.use()
    names = [f"role{n}" for n in range(40)]
    for name in names:
        repository.delegate("targets", name)
    repository.add(names[-1], "far", b"too far")
    repository.add(names[10], "near", b"near enough")
    repository.release(*names, "targets")
    assert client.download("near") == 0, client.said
    repository.asked.clear()
    assert client.download("far") == 1
    assert len([role for role, _ in repository.asked if role.startswith("role")]) == 31 - 11


@cases(**{f"name_{n}": (name,) for n, name in enumerate(["?", "#", "/x", "../x", ".", "..", "a b", "ä", "1.snapshot"])})
def unusual_role_names(client, name):
    repository = client.use()
    repository.delegate("targets", name)
    repository.release(name, "targets")
    assert client.download("missing") == 1
    assert (quote(name, ""), 1) in repository.asked, repository.asked
    assert len(client.trusted()) == (4 if name == "1.snapshot" else 5), client.trusted()
    outside = {path.name for path in client.metadata.parent.iterdir()}
    assert outside == {"metadata", "targets", "pinned.json"}, outside


@cases(**{name: (name,) for name in TOP})
def delegated_role_with_a_reserved_name(client, name):
    repository = client.use()
    client.believes()
    before = {path.name: path.read_bytes() for path in client.metadata.glob("*.json")}
    repository.delegate("targets", "harmless")
    # python-tuf makes no such role, so the name is changed behind its back.
    roles = repository.targets.delegations.roles
    roles[name] = roles.pop("harmless")
    roles[name].name = name
    repository.release("targets")
    assert client.download("missing") == 1
    assert (client.metadata / "root.json").read_bytes() == before["root.json"]
    assert len(client.trusted()) == 4


@case
def delegated_role_is_fetched_once(client):
    repository = client.use()
    repository.delegate("targets", "vendor")
    repository.add("vendor", "file", b"content")
    repository.release("vendor", "targets")
    assert client.download("file") == 0
    repository.asked.clear()
    assert client.download("file") == 0
    assert repository.asked == [("root", 2), ("timestamp", None)]


@case
def path_that_belongs_to_another_vendor(client):
    repository = client.use()
    for name in ("acme", "rival"):
        repository.delegate("targets", name, (f"c/{name}.*/*/*",), terminating=True)
    repository.add("rival", "c/rival.lock/1/image", b"rival's own")
    repository.add("rival", "c/acme.lamp/1/image", b"not its own")
    repository.release("acme", "rival", "targets")
    assert client.download("c/rival.lock/1/image", "c/acme.lamp/1/image") == 1
    assert "wrong-software" in client.said
    assert client.fetched() == [b"rival's own"]


# targets


@cases(plain=("file.bin",), in_a_folder=("path/to/a/file.bin",), with_spaces=("a file",))
def downloads_what_is_listed(client, path):
    repository = client.use()
    repository.add("targets", path, b"content")
    repository.release("targets")
    client.believes()
    assert client.fetched() == []
    assert client.download(path) == 0, client.said
    assert client.fetched() == [b"content"]


@cases(sha256=(("sha256",), True), sha512=(("sha512",), True), both=(("sha256", "sha512"), True))
def hash_algorithms(client, hashes, good):
    repository = client.use()
    repository.add("targets", "file", b"content", hashes)
    repository.release("targets")
    assert client.download("file") == (0 if good else 1), client.said


@case
def unknown_hash_algorithm(client):
    repository = client.use()
    repository.add("targets", "file", b"content", ("sha512",))
    hashes = repository.targets.targets["file"].hashes
    hashes["unknown"] = hashes.pop("sha512")
    repository.release("targets")
    assert client.download("file") == 1 and client.fetched() == []


@case
def target_that_is_there_is_not_fetched_again(client):
    repository = client.use()
    repository.add("targets", "dir/file", b"content")
    repository.release("targets")
    assert client.download("dir/file") == 0
    repository.asked.clear()
    assert client.download("dir/file") == 0
    assert ("target" not in [kind for kind, _ in repository.asked])
    (client.targets / "dir/file").write_bytes(b"damaged")
    assert client.download("dir/file") == 0
    assert client.fetched() == [b"content"]


@case
def swapped_target(client):
    repository = client.use()
    repository.add("targets", "one", b"content")
    repository.add("targets", "two", b"another")
    repository.release("targets")
    assert client.download("one") == 0
    repository.contents.update({"one": b"changed", "two": b"changed"})
    client.download("one")
    assert client.download("two") == 1 and "arbitrary-software" in client.said
    assert client.fetched() == [b"content"]


@case
def longer_target(client):
    repository = client.use()
    repository.add("targets", "file", b"content")
    repository.release("targets")
    repository.contents["file"] = b"content and more"
    assert client.download("file") == 1 and "endless-data" in client.said
    assert client.fetched() == []


@case
def changed_target_replaces_the_old(client):
    repository = client.use()
    for n in range(4):
        repository.add("targets", "file", b"content %d" % n)
        repository.release("targets")
        assert client.download("file") == 0
        assert client.fetched() == [b"content %d" % n]


@case
def target_path_that_leads_out(client):
    repository = client.use()
    repository.add("targets", "../../escape", b"content")
    repository.release("targets")
    client.download("../../escape")
    assert not list(client.metadata.parent.parent.glob("escape"))
    assert not list(client.metadata.parent.glob("escape"))


@case
def repository_in_a_folder(client):
    repository = client.use()
    repository.add("targets", "dir/file", b"from a stick")
    repository.release("targets")
    stick = client.metadata.parent / "stick"
    for role, published in repository.published.items():
        for version, data in published.items():
            path = stick / "metadata" / ("timestamp.json" if role == "timestamp" else f"{version}.{role}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    hashed = repository.files["dir/file"].hashes["sha256"]
    (stick / "targets/dir").mkdir(parents=True)
    (stick / f"targets/dir/{hashed}.file").write_bytes(b"from a stick")
    code = client.run(
        "download", "--metadata-dir", str(client.metadata), "--metadata-url", f"dir://{stick}/metadata",
        "--target-base-url", f"dir://{stick}/targets", "--target-dir", str(client.targets), "--target-name", "dir/file",
    )
    assert code == 0, client.said
    assert client.fetched() == [b"from a stick"] and repository.asked == []


# endless and malformed metadata


@cases(timestamp=("timestamp", 20_000), snapshot=("snapshot", 2_100_000), root=("root", 600_000))
def endless_metadata(client, role, length):
    repository = client.use()
    client.believes()
    repository.release("targets")
    repository.published[role][2] = b" " * length
    client.refuses("endless-data")


@cases(nothing=(b"",), no_object=(b"[]",), no_signatures=(b'{"signed":{}}',), deep=(b"[" * 10_000,), no_utf8=(b"\xff\xfe",))
def malformed_timestamp(client, data):
    repository = client.use()
    client.believes()
    repository.published["timestamp"] = {2: data}
    client.refuses("arbitrary-software")
    assert client.trusted() == versions()


# what was stored is damaged


def torn(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def deleted(path):
    path.unlink()


@cases(torn=(torn,), emptied=(emptied,), deleted=(deleted,))
def damaged_metadata_and_a_rollback(client, damage):
    repository = client.use()
    repository.release("targets")
    client.believes()
    for role in TOP:
        damage(client.metadata / f"{role}.json")
    del repository.published["timestamp"][2]
    client.refuses("rollback")
    assert client.trusted() == versions(timestamp=2, snapshot=2, targets=2), "the copies are whole again"


@case
def damaged_metadata_and_an_honest_repository(client):
    repository = client.use()
    repository.release("targets")
    client.believes()
    for damage, role in ((torn, "timestamp"), (emptied, "snapshot"), (deleted, "targets")):
        damage(client.metadata / f"{role}.json")
    repository.release("targets")
    client.believes()
    assert client.trusted() == versions(timestamp=3, snapshot=3, targets=3)


@case
def expired_metadata_and_a_clock_set_back(client):
    repository = Repository()
    repository.timestamp.expires = days(3)
    repository.publish("timestamp")
    client.use(repository)
    client.believes()
    repository.timestamp.expires = days(8)
    repository.publish("timestamp")
    client.believes(at=days(6))
    repository.timestamp.expires = days(5)
    repository.publish("timestamp")
    for clock in (days(6), days(4), days(-300)):
        client.refuses("freeze", at=clock)


def without_its_end(floors):
    """The log of the store loses what was committed last."""
    database = floors / "state/db"
    data = database.read_bytes()
    end = max(place for place, byte in enumerate(data) if byte)
    database.write_bytes(data[: end - 50] + os.urandom(50) + data[end:])


def scrambled(floors):
    database = floors / "state/db"
    database.write_bytes(os.urandom(database.stat().st_size))


@cases(
    deleted=(shutil.rmtree,),
    without_its_end=(without_its_end,),
    scrambled=(scrambled,),
    parameters_torn=(lambda floors: torn(floors / "state/conf"),),
    witness_deleted=(lambda floors: deleted(floors.parent / "commits"),),
    witness_emptied=(lambda floors: emptied(floors.parent / "commits"),),
)
def damaged_floors_stop_everything(client, damage):
    repository = client.use()
    repository.release("targets")
    client.believes()
    repository.asked.clear()
    damage(client.metadata / "floors")
    del repository.published["timestamp"][2]
    client.refuses("floors-damaged")
    assert "pins a root again" in client.said and repository.asked == []


@cases(store_deleted=("floors",), witness_deleted=("commits",))
def pinning_repairs_damaged_floors(client, what):
    repository = client.use()
    client.believes()
    path = client.metadata / what
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    client.refuses("floors-damaged")
    assert client.init(repository.published["root"][1]) == 0, client.said
    client.believes()


@case
def pinning_again_begins_anew(client):
    repository = client.use()
    repository.roles["timestamp"].version = 50
    repository.publish("timestamp")
    client.believes()
    assert client.init(repository.published["root"][1]) == 0
    assert client.trusted() == {"root": 1}


def main():
    program = str(Path(sys.argv[1]).resolve())
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    server, failed = Server(), 0
    chosen = [(name, check) for name, check in CASES if only in name]
    for name, check in chosen:
        with tempfile.TemporaryDirectory() as folder:
            client = Client(program, server, name, Path(folder))
            try:
                check(client)
                print(f"  ok: {name}", flush=True)
            except Exception:
                failed += 1
                print(f"  FAILED: {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} cases hold")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    assert FAKETIME, "faketime is needed"
    sys.exit(main())
