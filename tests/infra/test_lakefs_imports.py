"""Imports by reference over HTTP: what they take, what they refuse, and that they happen whole or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import objects, refs, repositories
from infra.lakefs.store.commit import commit
from infra.lakefs.store.folders import Folders
from infra.lakefs.store.ingest import Location, Wanted, ingest
from tests.support.lakefs_server import Running, running

from .conftest import Start

ENDLESS = 40 << 30  # bytes of a file without blocks, whose hashing takes longer than any test


class Site:
    """A server and the folder it may import from."""

    def __init__(self, server: Running, folder: Path) -> None:
        self.server = server
        self.http = server.http
        self.folder = folder

    def write(self, path: str, content: bytes | str) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def begin(self, repository: str, *places: dict[str, str], branch: str = "main", **more: Any) -> str:
        body = {"paths": list(places), "commit": {"message": "imported", **more}}
        made = self.http.post(f"{repository}/branches/{branch}/import", json=body)
        assert made.status_code == 202, made.text
        identifier: str = made.json()["id"]
        return identifier

    def status(self, repository: str, identifier: str, branch: str = "main") -> dict[str, Any]:
        found = self.http.get(f"{repository}/branches/{branch}/import", params={"id": identifier})
        assert found.status_code == 200, found.text
        said: dict[str, Any] = found.json()
        return said

    def end(self, repository: str, identifier: str) -> dict[str, Any]:
        """The status once the import is over."""
        while True:
            said = self.status(repository, identifier)
            if said["completed"] or "error" in said:
                return said
            time.sleep(0.02)

    def bring(self, repository: str, *places: dict[str, str], **more: Any) -> dict[str, Any]:
        return self.end(repository, self.begin(repository, *places, **more))

    def refusal(self, repository: str, *places: dict[str, str]) -> str:
        """Why an import ended, having changed nothing."""
        before = self.head(repository)
        said = self.bring(repository, *places)
        assert not said["completed"]
        assert self.head(repository) == before
        message: str = said["error"]["message"]
        return message

    def head(self, repository: str) -> str:
        found: str = self.http.get(f"{repository}/branches/main").json()["commit_id"]
        return found

    def paths(self, repository: str, ref: str = "main") -> list[str]:
        found = self.http.get(f"{repository}/refs/{ref}/objects/ls", params={"amount": 1000}).json()["results"]
        return [item["path"] for item in found]


def folder(path: Path | str, destination: str = "") -> dict[str, str]:
    return {"type": "common_prefix", "path": f"local://{path}", "destination": destination}


def file(path: Path | str, destination: str) -> dict[str, str]:
    return {"type": "object", "path": f"local://{path}", "destination": destination}


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("imports")
    (place / "allowed").mkdir()
    with running(place / "home", "--allow-import", str(place / "allowed")) as server:
        yield Site(server, place / "allowed")


@pytest.fixture
def site(module_site: Site) -> Site:
    """The server of this module, with a folder of the test's own."""
    own = module_site.folder / f"test-{len(list(module_site.folder.iterdir()))}"
    own.mkdir()
    return Site(module_site.server, own)


def test_a_folder_becomes_one_commit_that_replaces_its_destination(site: Site) -> None:
    repository = site.server.repository()
    for path in ("keep", "in/old", "in/same.txt", "input"):
        site.server.put(repository, path, "before")
    site.server.commit(repository)
    site.write("same.txt", "before")
    site.write("a/x", "1")
    site.write("a.txt", "2")
    site.write("a-b", "3")
    site.write("가", "4")
    head = site.head(repository)
    said = site.bring(repository, folder(site.folder, "in"), metadata={"rig": "7"})
    assert said["completed"]
    assert said["ingested_objects"] == 5
    assert said["commit"]["parents"] == [head]
    assert said["commit"]["metadata"] == {".lakefs.merge.strategy": "source-wins", "rig": "7"}
    assert said["commit"]["meta_range_id"] == said["metarange_id"]
    assert site.head(repository) == said["commit"]["id"]
    assert site.paths(repository) == ["in/a-b", "in/a.txt", "in/a/x", "in/same.txt", "in/가", "input", "keep"]
    assert site.server.get(repository, "in/a/x").content == b"1"


def test_content_is_not_copied_and_its_place_is_said(site: Site) -> None:
    content = os.urandom(100_000)
    source = site.write("big.bin", content)
    repository = site.server.repository()
    assert site.bring(repository, file(source, "there"))["completed"]
    home = Path(str(site.server.ready["home"]))
    name = hashlib.sha256(content).hexdigest()
    assert not (home / "blobs" / name[:2] / name[2:]).exists()
    stat = site.http.get(f"{repository}/refs/main/objects/stat", params={"path": "there"}).json()
    assert stat["physical_address"] == f"local://{source}"
    assert stat["checksum"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert stat["mtime"] == int(source.stat().st_mtime)
    listed = site.http.get(f"{repository}/refs/main/objects/ls").json()["results"]
    assert [item["physical_address"].rsplit("/", 1)[1] for item in listed] == [name]


def test_an_upload_of_the_same_content_gives_the_same_tree(site: Site) -> None:
    site.write("a", "1")
    site.write("b/c", "2")
    imported, uploaded = site.server.repository(), site.server.repository()
    by_import = site.bring(imported, folder(site.folder))["metarange_id"]
    site.server.put(uploaded, "a", "1")
    site.server.put(uploaded, "b/c", "2")
    assert site.server.commit(uploaded).json()["meta_range_id"] == by_import


def test_many_files_in_many_folders(site: Site) -> None:
    expected = {}
    for number in range(1500):
        path = f"d{number % 90}/{number}"
        site.write(path, str(number))
        expected[f"in/{path}"] = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    repository = site.server.repository()
    said = site.bring(repository, folder(site.folder, "in/"))
    assert said["ingested_objects"] == 1500
    found, after = {}, ""
    while True:
        page = site.http.get(f"{repository}/refs/main/objects/ls", params={"amount": 1000, "after": after}).json()
        found |= {item["path"]: item["checksum"] for item in page["results"]}
        after = page["pagination"]["next_offset"]
        if not after:
            break
    assert found == expected
    # what went and what came since
    (site.folder / "d0" / "0").unlink()
    site.write("d1/new", "new")
    assert site.bring(repository, folder(site.folder, "in/"))["completed"]
    diff = site.http.get(f"{repository}/refs/main~1/diff/main").json()["results"]
    assert [(item["type"], item["path"]) for item in diff] == [("removed", "in/d0/0"), ("added", "in/d1/new")]


def test_several_places_of_one_import(site: Site) -> None:
    site.write("one/x", "1")
    site.write("two/y", "2")
    repository = site.server.repository()
    places = [folder(site.folder / "two", "b/"), folder(site.folder / "one", "a/"), file(site.folder / "one/x", "b/z")]
    assert site.bring(repository, *places)["completed"]
    assert site.paths(repository) == ["a/x", "b/y", "b/z"]
    assert "two files" in site.refusal(repository, *places, file(site.folder / "one/x", "a/x"))


def test_again_without_a_change_is_refused_unless_it_may_be_empty(site: Site) -> None:
    site.write("x", "1")
    repository = site.server.repository()
    site.bring(repository, folder(site.folder))
    assert "already" in site.refusal(repository, folder(site.folder))
    assert site.bring(repository, folder(site.folder), allow_empty=True)["completed"]


def test_a_date_of_its_own(site: Site) -> None:
    site.write("x", "1")
    said = site.bring(site.server.repository(), folder(site.folder), date=1234)
    assert said["commit"]["creation_date"] == 1234


@pytest.mark.parametrize(
    "path",
    ["s3://bucket/x", "local://relative/x", "/plain", "local://{0}/../x", "local://{0}/./x", "local://{0}/\0", ""],
)
def test_an_address_of_another_kind_is_refused_at_once(site: Site, path: str) -> None:
    repository = site.server.repository()
    place = {"type": "object", "path": path.format(site.folder), "destination": "x"}
    body = {"paths": [place], "commit": {"message": "m"}}
    refused = site.http.post(f"{repository}/branches/main/import", json=body)
    assert refused.status_code == 400
    assert "local://ABSOLUTE/PATH" in refused.json()["message"]


def test_keys_that_no_object_can_have_are_refused(site: Site) -> None:
    repository = site.server.repository()
    source = site.write("n" * 200, "x")
    for place in (file(source, ""), file(source, "k" * 1025), folder(site.folder, "k" * 1024)):
        body = {"paths": [place], "commit": {"message": "m"}}
        assert site.http.post(f"{repository}/branches/main/import", json=body).status_code == 400
    assert "1024 bytes" in site.refusal(repository, folder(site.folder, "k" * 900))


def test_what_lies_elsewhere_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    repository = site.server.repository()
    home = site.server.ready["home"]
    for path in (tmp_path / "secret", "/etc/passwd", f"{home}/refs.sqlite", site.folder.parent.parent):
        assert "not below a folder" in site.refusal(repository, file(path, "x"))
    assert "not below a folder" in site.refusal(repository, folder(tmp_path))
    assert site.paths(repository) == []


def test_symbolic_links_are_refused_wherever_they_lead(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    site.write("real/x", "1")
    repository = site.server.repository()
    for number, target in enumerate((tmp_path / "secret", tmp_path, "real/x", "real", "nowhere", "/etc")):
        place = site.folder / f"tree-{number}"
        place.mkdir()
        (place / "link").symlink_to(site.folder / target)
        assert "symbolic link" in site.refusal(repository, folder(place))
        assert "symbolic link" in site.refusal(repository, file(place / "link", "x"))
    (site.folder / "way").symlink_to(site.folder / "real")
    assert "symbolic link" in site.refusal(repository, file(site.folder / "way/x", "x"))
    assert "symbolic link" in site.refusal(repository, folder(site.folder / "way"))
    assert site.paths(repository) == []


def test_what_is_no_file_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = site.server.repository()
    site.write("x", "1")
    os.mkfifo(site.folder / "fifo")
    assert "neither a file nor a folder" in site.refusal(repository, folder(site.folder))
    assert "neither a file nor a folder" in site.refusal(repository, file(site.folder / "fifo", "x"))
    (site.folder / "fifo").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(site.folder)  # the name of a socket is short
        listening.bind("s")
        assert "neither a file nor a folder" in site.refusal(repository, folder(site.folder))
    (site.folder / "s").unlink()
    assert "neither a file nor a folder" in site.refusal(repository, file(site.folder, "x"))
    assert "not a directory" in site.refusal(repository, folder(site.folder / "x"))


def test_what_cannot_be_read_or_named_is_refused(site: Site) -> None:
    repository = site.server.repository()
    assert "holds no file" in site.refusal(repository, folder(site.folder))
    (site.folder / os.fsdecode(b"bad-\xff")).write_text("x")
    assert "not UTF-8" in site.refusal(repository, folder(site.folder))
    (site.folder / os.fsdecode(b"bad-\xff")).unlink()
    absent = site.refusal(repository, file(site.folder / "absent", "x"))
    assert absent == f"import error: error on ingest: lstat {site.folder}/absent: no such file or directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(site: Site) -> None:
    site.write("x", "1").chmod(0)
    assert "cannot be read" in site.refusal(site.server.repository(), folder(site.folder))


def test_a_branch_that_cannot_take_it(site: Site) -> None:
    source = site.write("x", "1")
    repository = site.server.repository()
    body = {"paths": [file(source, "x")], "commit": {"message": "m"}}
    assert site.http.post(f"{repository}/branches/none/import", json=body).status_code == 404
    site.server.put(repository, "dirty", "1")
    assert "uncommitted changes" in site.refusal(repository, file(source, "x"))
    assert "uncommitted changes" in site.refusal(repository, folder(site.folder))


def test_a_protected_branch_takes_imports_as_lakefs_does(site: Site) -> None:
    source = site.write("x", "1")
    repository = site.server.repository()
    site.http.put(f"{repository}/settings/branch_protection", json=[{"pattern": "main"}])
    assert site.bring(repository, file(source, "x"))["completed"]


def test_a_server_that_allows_no_folder_says_so(start: Start, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    server = start(tmp_path / "home")
    repository = server.repository()
    body = {"paths": [file(tmp_path / "x", "x")], "commit": {"message": "m"}}
    refused = server.http.post(f"{repository}/branches/main/import", json=body)
    assert refused.status_code == 403
    assert "--allow-import" in refused.json()["message"]
    assert server.http.get("/config").json()["storage_config"]["import_support"] is False


def test_the_home_is_not_imported_from_a_folder_around_it(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "around" / "home", "--allow-import", str(tmp_path / "around"))
    site = Site(server, tmp_path / "around")
    site.write("x", "1")
    repository = server.repository()
    assert "the server's home" in site.refusal(repository, folder(site.folder))
    assert "the server's home" in site.refusal(repository, file(site.folder / "home/refs.sqlite", "x"))
    assert site.bring(repository, file(site.folder / "x", "x"))["completed"]


def test_a_folder_may_be_named_as_it_was_allowed_or_as_it_lies(start: Start, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "spelled").symlink_to(tmp_path / "real")
    site = Site(start(tmp_path / "home", "--allow-import", str(tmp_path / "spelled")), tmp_path / "real")
    site.write("x", "1")
    repository = site.server.repository()
    assert site.bring(repository, file(tmp_path / "spelled/x", "x"))["completed"]
    assert site.bring(repository, file(tmp_path / "real/x", "y"))["completed"]
    stat = site.http.get(f"{repository}/refs/main/objects/stat", params={"path": "x"}).json()
    assert stat["physical_address"] == f"local://{tmp_path}/real/x"


@pytest.mark.parametrize("place", ["home", "home/below", "file"])
def test_a_folder_that_cannot_be_allowed_is_refused_at_the_start(tmp_path: Path, place: str) -> None:
    (tmp_path / "home" / "below").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(tmp_path / "home"), "--port", "0"]
    command += ["--allow-import", str(tmp_path / place)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert str(tmp_path / place) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_folder_that_is_absent_holds_nothing_else_up(start: Start, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    options = ("--allow-import", str(tmp_path / "disk"))
    site = Site(start(tmp_path / "home", *options), tmp_path / "disk")
    repository = site.server.repository()
    site.bring(repository, file(site.write("x", "1"), "x"))
    site.server.put(repository, "y", "2")
    site.server.kill()
    (tmp_path / "disk").rename(tmp_path / "away")
    again = Site(start(tmp_path / "home", *options), site.folder)
    assert again.server.get(repository, "x").status_code == 500
    assert again.server.get(repository, "y").content == b"2"
    assert "no such file" in again.bring(again.server.repository(), folder(site.folder))["error"]["message"]
    (tmp_path / "away").rename(tmp_path / "disk")
    assert again.server.get(repository, "x").content == b"1"


KEYS = st.sampled_from(
    ["a", "a/", "a/a", "a/b", "a/b/a", "a/b/x", "a0", "b", "b/a", "b/x", "b0", "é/a", "é/x", "zz", "zz/x"]
)
NAMES = st.lists(st.sampled_from(["a", "b", "c.d", "é", "x-y"]), min_size=1, max_size=3).map("/".join)


@pytest.fixture(scope="module")
def bare_store(open_store: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_store(tmp_path_factory.mktemp("model") / "home") as found:
        yield found


@example(before={"a", "b/a"}, sources={"b"}, folders=["a/", "b/"], files=set())  # nothing below the first prefix
@settings(max_examples=60, deadline=None)
@given(
    before=st.sets(KEYS, max_size=12),
    sources=st.sets(NAMES, min_size=1, max_size=8),
    folders=st.lists(st.sampled_from(["", "a/", "a/b/", "b/", "é/", "zz/"]), max_size=3, unique=True),
    files=st.sets(KEYS, max_size=4),
)
def test_the_tree_is_the_one_of_a_dictionary(
    bare_store: Any,
    tmp_path_factory: pytest.TempPathFactory,
    before: set[str],
    sources: set[str],
    folders: list[str],
    files: set[str],
) -> None:
    root = tmp_path_factory.mktemp("root").resolve()
    made: dict[str, bytes] = {}
    for name in sorted(sources):
        if not any(f"{name}/".startswith(f"{other}/") for other in made):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
            made[name] = hashlib.sha256(name.encode()).digest()
    store, repository = bare_store, root.name
    store.folders = Folders(root.parent / "model0", [root])
    store.database.write(
        lambda connection: repositories.create(connection, repository, f"local://{repository}", "main", False, 1)
    )
    old = {}
    for path in before:
        blob = store.blobs.put(path.encode())
        objects.stage(store, repository, "main", path.encode(), blob, "application/octet-stream", {})
        old[path] = blob.sha256
    if before:
        commit(store, repository, "main", "before", {})
    single, digest = next(iter(made.items()))
    new = [(prefix + name, sha256) for prefix in folders for name, sha256 in made.items()]
    new += [(path, digest) for path in files]
    expected = {path: sha256 for path, sha256 in old.items() if not any(map(path.startswith, folders))} | dict(new)
    places = [Location(str(root), prefix.encode(), True) for prefix in folders]
    places += [Location(str(root / single), path.encode(), False) for path in files]
    problem = ""
    try:
        wanted = Wanted(repository, "main", tuple(places), "m", {}, None, False, False)
        ingest(store, wanted, lambda _: None, lambda *_: None)
    except InvalidError as error:
        problem = str(error)
    with store.database.read() as connection:
        ref = refs.resolve(connection, repository, "main")
        found = {entry.path.decode(): entry.sha256 for entry in objects.walk(connection, store, repository, ref, b"")}
    if not places:
        assert "at least one path" in problem
    elif len(dict(new)) < len(new):
        assert "two files" in problem
    elif expected == old:
        assert "already" in problem
    else:
        assert not problem
    assert found == (old if problem else expected)


def endless(site: Site) -> Path:
    place = site.folder / "endless"
    place.mkdir()
    with (place / "b").open("wb") as made:
        made.truncate(ENDLESS)
    (place / "a").write_text("a")
    return place


def working(site: Site, repository: str, place: Path) -> str:
    """An import that has begun to hash and will not end by itself."""
    identifier = site.begin(repository, folder(place, "in/"))
    said = site.status(repository, identifier)
    assert not said["completed"]
    assert "error" not in said
    return identifier


def test_a_cancelled_import_changes_nothing(site: Site) -> None:
    repository = site.server.repository()
    place = endless(site)
    head = site.head(repository)
    identifier = working(site, repository, place)
    address, query = f"{repository}/branches/main/import", {"id": identifier}
    assert site.http.delete(address, params=query).status_code == 204
    said = site.status(repository, identifier)
    assert said["error"]["message"] == "cancelled"
    assert said["completed"] is False
    assert site.http.delete(address, params=query).status_code == 204
    assert site.head(repository) == head
    # and others are not held up by it
    assert site.bring(repository, file(place / "a", "x"))["completed"]


def test_a_completed_import_is_not_cancelled(site: Site) -> None:
    repository = site.server.repository()
    identifier = site.begin(repository, file(site.write("x", "1"), "x"))
    assert site.end(repository, identifier)["completed"]
    refused = site.http.delete(f"{repository}/branches/main/import", params={"id": identifier})
    assert refused.status_code == 409
    assert site.status(repository, identifier)["completed"]


def test_an_import_belongs_to_its_branch(site: Site) -> None:
    repository = site.server.repository()
    identifier = site.begin(repository, file(site.write("x", "1"), "x"))
    site.http.post(f"{repository}/branches", json={"name": "dev", "source": "main"})
    for method in ("GET", "DELETE"):
        found = site.http.request(method, f"{repository}/branches/dev/import", params={"id": identifier})
        assert found.status_code == 404
    assert site.http.get(f"{repository}/branches/main/import").status_code == 400


def test_a_change_meanwhile_is_kept(site: Site) -> None:
    """An import works on the branch as it is at its end; a commit that came between is its parent."""
    for number in range(3000):
        site.write(f"t/{number}", str(number))
    repository = site.server.repository()
    identifier = site.begin(repository, folder(site.folder / "t", "in/"))
    site.server.put(repository, "between", "1")
    committed = site.server.commit(repository).status_code == 201
    said = site.end(repository, identifier)
    if said["completed"] and committed:
        assert "between" in site.paths(repository, "main@")
    else:
        assert "uncommitted changes" in said["error"]["message"]
    assert site.server.get(repository, "between").content == b"1"


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_server_that_stops_leaves_the_branch_and_says_so_after_its_next_start(
    start: Start, tmp_path: Path, how: str
) -> None:
    (tmp_path / "allowed").mkdir()
    options = ("--allow-import", str(tmp_path / "allowed"))
    site = Site(start(tmp_path / "home", *options), tmp_path / "allowed")
    repository = site.server.repository()
    site.server.put(repository, "before", "1")
    site.server.commit(repository)
    head = site.head(repository)
    done = site.begin(repository, file(site.write("x", "1"), "x"))
    completed = site.end(repository, done)
    assert completed["completed"]
    head = site.head(repository)
    identifier = working(site, repository, endless(site))
    queued = [working(site, repository, site.folder / "endless") for _ in range(3)]
    if how == "kill":
        site.server.kill()
    else:
        site.server.process.terminate()
        assert site.server.process.wait(20) == 0
    again = Site(start(tmp_path / "home", *options), site.folder)
    for left in (identifier, *queued):
        said = again.status(repository, left)
        assert said["completed"] is False
        assert "start another" in said["error"]["message"]
    assert again.status(repository, done)["commit"] == completed["commit"]
    assert again.head(repository) == head
    assert again.paths(repository) == ["before", "x"]
    assert again.bring(repository, file(again.write("y", "2"), "y"))["completed"]


def test_processes_that_hash_end_with_a_killed_server(start: Start, tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    site = Site(start(tmp_path / "home", "--allow-import", str(tmp_path / "allowed")), tmp_path / "allowed")
    repository = site.server.repository()
    working(site, repository, endless(site))
    children = _children(site.server.process.pid)
    while not children:
        children = _children(site.server.process.pid)
    site.server.kill()
    while any(Path(f"/proc/{child}").exists() for child in children):
        time.sleep(0.05)  # the test's own limit of time ends this


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in listed for child in path.read_text().split()]
