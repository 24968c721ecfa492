"""fsck names every damage and whom it concerns; it says nothing of a sound home."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.lakefs.store import Store, objects, refs
from infra.lakefs.store.affected import LISTED, affected
from infra.lakefs.store.commit import commit
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.snapshot import snapshot


def put(store: Store, path: bytes, content: bytes, branch: str = "main") -> bytes:
    blob = store.blobs.put(content)
    objects.stage(store, "repo", branch, path, blob, "text/plain", {"k": "v"})
    return blob.sha256


def told(folder: Path) -> list[dict[str, Any]]:
    with snapshot(folder) as home:
        return affected(home, fsck(home).damage)


def filled(store: Store) -> dict[str, Any]:
    """Two commits on main, the first tagged, the second with another object; a branch beside with something staged."""
    made: dict[str, Any] = {"one": put(store, b"one", b"1"), "shared": put(store, b"a/shared", b"shared")}
    made["first"] = commit(store, "repo", "main", "first", {})
    store.database.write(lambda c: refs.create_tag(c, "repo", "v1", "main", False))
    store.database.write(lambda c: refs.create_branch(c, "repo", "work", "main", False, False))
    made["two"] = put(store, b"two", b"22")
    made["second"] = commit(store, "repo", "main", "second", {})
    made["staged"] = put(store, b"staged", b"333", "work")
    return made


def change(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def folder_of(store: Store) -> Path:
    return store.blobs.temp.parent


def test_a_sound_home_is_clean_and_all_of_it_was_read(store: Store) -> None:
    filled(store)
    with snapshot(folder_of(store)) as home:
        found = fsck(home)
    assert found.damage == []
    assert found.checked == {
        "commits": 3, "branches": 2, "tags": 1, "staged": 1, "objects": 6, "trees": 2, "ranges": 2, "blobs": 4, "bytes": 12
    }  # fmt: skip
    assert found.unnamed == 0


def names(item: dict[str, Any], kind: str) -> list[str]:
    return [found["name"] for found in item[kind]["first"]]


def test_a_blob_with_other_bytes_is_named_with_what_it_reaches(store: Store) -> None:
    made = filled(store)
    change(store.blobs.path(made["two"]), b"2x")
    (item,) = told(folder_of(store))
    assert (item["kind"], item["name"]) == ("blob", f"sha256:{made['two'].hex()}")
    assert item["commits"] == {"total": 1, "first": [{"repository": "repo", "id": made["second"].id}]}
    assert item["paths"] == {"total": 1, "first": ["two"]}
    assert (names(item, "branches"), names(item, "tags")) == (["main"], [])
    assert store.blobs.put(b"22").sha256 == made["two"]  # the same content put again heals it
    assert told(folder_of(store)) == []


def test_a_missing_blob_reaches_every_commit_that_holds_it(store: Store) -> None:
    made = filled(store)
    store.blobs.path(made["shared"]).unlink()
    (item,) = told(folder_of(store))
    assert "missing" in item["problem"]
    assert {found["id"] for found in item["commits"]["first"]} == {made["first"].id, made["second"].id}
    assert (names(item, "branches"), names(item, "tags")) == (["main", "work"], ["v1"])
    assert item["paths"]["first"] == ["a/shared"]


def test_a_damaged_blob_that_is_only_staged_says_where(store: Store) -> None:
    made = filled(store)
    store.blobs.path(made["staged"]).unlink()
    (item,) = told(folder_of(store))
    assert item["staged"] == {"total": 1, "first": [{"repository": "repo", "branch": "work", "path": "staged"}]}
    assert item["commits"]["total"] == 0


def test_a_damaged_blob_that_nothing_names_is_found_before_it_is_taken_for_content(store: Store) -> None:
    blob = store.blobs.put(b"unnamed")
    change(store.blobs.path(blob.sha256), b"unnameD")
    (item,) = told(folder_of(store))
    assert "nothing names it" in item["problem"]


@pytest.mark.parametrize("kind", ["tree", "range"])
@pytest.mark.parametrize(
    "how", [lambda path: path.unlink(), lambda path: change(path, b"x"), lambda path: change(path, b"")]
)
def test_a_damaged_tree_or_range_reaches_its_commits(kind: str, how: Callable[[Path], None], store: Store) -> None:
    made = filled(store)
    tree = store.trees.load(made["first"].tree)
    how(store.trees.path(tree.id) if kind == "tree" else store.ranges.path(tree.ranges[0].id))
    found = [item for item in told(folder_of(store)) if item["kind"] == kind]
    assert len(found) == 1
    assert [item["id"] for item in found[0]["commits"]["first"]] == [made["first"].id]
    assert (names(found[0], "branches"), names(found[0], "tags")) == (["main", "work"], ["v1"])
    heads = {item["name"]: item["at_head"] for item in found[0]["branches"]["first"]}
    assert heads == {"main": False, "work": True}


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("UPDATE commits SET message='forged' WHERE message='first'", "commit", "something else than its id"),
        ("UPDATE commits SET metadata='nonsense' WHERE message='first'", "commit", "cannot be read"),
        ("DELETE FROM commits WHERE message='first'", "commit", "is missing, a parent of"),
        ("DELETE FROM commits WHERE message='first'", "ref", "names the missing"),
        ("UPDATE branches SET head='00' WHERE name='work'", "ref", "names the missing 00"),
        ("UPDATE tags SET head='00'", "ref", "names the missing 00"),
        ("DELETE FROM branches WHERE name='main'", "ref", "the default branch"),
        ("UPDATE staging SET size=9", "object", "its fields are not those"),
        ("UPDATE tags SET repository='none'", "database", "row whose row in repositories is missing"),
    ],
)
def test_damaged_rows_are_named(statement: str, kind: str, said: str, store: Store) -> None:
    filled(store)
    with sqlite3.connect(folder_of(store) / "refs.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    assert [item for item in told(folder_of(store)) if item["kind"] == kind and said in item["problem"]]


def test_what_is_many_is_counted_and_its_first_listed(store: Store) -> None:
    for number in range(LISTED + 5):
        put(store, b"%03d" % number, b"same")
    sha256 = put(store, b"z", b"same")
    commit(store, "repo", "main", "m", {})
    store.blobs.path(sha256).unlink()
    (item,) = told(folder_of(store))
    assert item["paths"]["total"] == LISTED + 6
    assert item["paths"]["first"] == [f"{number:03d}" for number in range(LISTED)]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.lakefs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_works_beside_a_server_and_on_a_stopped_home(tmp_path: Path, start: Any) -> None:
    home = tmp_path / "home"
    server = start(home)
    repository = server.repository()
    server.put(repository, "a", b"1")
    server.commit(repository)
    server.put(repository, "b", b"2")
    assert run("fsck", "--home", str(home)).returncode == 0
    server.process.terminate()
    assert server.process.wait(20) == 0
    done = run("fsck", "--home", str(home), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["clean"], report["checked"]["objects"]) == (0, True, 2)
    assert run("fsck", "--home", str(home), "--json").stdout == done.stdout
    for blob in (home / "blobs").glob("*/*"):
        blob.unlink()
    done = run("fsck", "--home", str(home))
    assert done.returncode == 1
    name = repository.rsplit("/", 1)[1]
    assert f"branches: {name}/main (at its head)\n" in done.stdout
    assert "is missing" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("damaged: ")


def assert_served(home: Path, data: Path) -> None:
    """With the server's folders, content counts where the server reads it: below one of them, over no link."""
    (other := data.with_name("other")).mkdir()
    allowed = run("fsck", "--home", str(home), "--allow-import", str(other), "--allow-import", str(data))
    refused = run("fsck", "--home", str(home), "--allow-import", str(other))
    assert (allowed.returncode, refused.returncode) == (0, 1)
    assert f"{data}/two cannot be served" in refused.stdout
    data.rename(other / "moved")
    data.symlink_to(other / "moved")
    linked = run("fsck", "--home", str(home), "--allow-import", str(data.parent))
    assert (linked.returncode, "symbolic link" in linked.stdout) == (1, True)
    assert run("fsck", "--home", str(home), "--allow-import", str(data)).returncode == 0  # names what it leads to
    data.unlink()
    (other / "moved").rename(data)


def assert_lost(home: Path, tmp_path: Path, said: str) -> None:
    """The backup that leaves content outside names what is lost there, the one that took it along needs nothing."""
    done = run("backup", "--home", str(home), "--to", str(tmp_path / "left"))
    assert (done.returncode, said in done.stdout, "1 lost" in done.stdout) == (1, True, True)
    assert run("restore", "--from", str(tmp_path / "left"), "--home", str(tmp_path / said[-7:])).returncode == 1
    assert run("backup", "--home", str(home), "--to", str(tmp_path / "taken")).returncode == 0


def test_imported_content_is_read_where_it_lies(tmp_path: Path, start: Any) -> None:
    """Sound, then changed outside; a backup leaves it there or takes it along."""
    home, data = tmp_path / "home", tmp_path / "data"
    data.mkdir()
    for name in ("one", "two"):
        (data / name).write_text(name)
    server = start(home, "--allow-import", str(data))
    repository = server.repository()
    body = {
        "paths": [{"path": f"local://{data}", "destination": "in/", "type": "common_prefix"}],
        "commit": {"message": "imported"},
    }
    begun = server.http.post(f"{repository}/branches/main/import", json=body).json()["id"]
    while not (status := server.http.get(f"{repository}/branches/main/import", params={"id": begun}).json())[
        "completed"
    ]:
        assert "error" not in status
    with snapshot(home) as found:
        assert fsck(found).checked["sources"] == 2
    assert told(home) == []
    left = json.loads(run("backup", "--home", str(home), "--to", str(tmp_path / "left"), "--json").stdout)
    taken = json.loads(
        run("backup", "--home", str(home), "--to", str(tmp_path / "taken"), "--imported", "--json").stdout
    )
    assert (left["outside"], left["copied"], taken["outside"], taken["copied"]) == (2, 2, 0, 4)
    assert_served(home, data)
    os.utime(data / "one")  # another identity, the same bytes
    assert run("backup", "--home", str(home), "--to", str(tmp_path / "left")).returncode == 0
    (data / "two").write_text("TWO")
    (item,) = told(home)
    assert (item["kind"], item["paths"]["first"], names(item, "branches")) == ("source", ["in/two"], ["main"])
    assert f"{data}/two changed outside" in item["problem"]
    lost = f"was imported from {data}/two, which changed after its import"
    assert_lost(home, tmp_path, lost)
    (data / "two").unlink()
    assert_lost(home, tmp_path, f"was imported from {data}/two, which is missing")
    (item,) = told(home)
    assert f"{data}/two is gone" in item["problem"]
    assert len(told(tmp_path / "left")) == 1
    assert told(tmp_path / "taken") == []
    assert run("fsck", "--home", str(home)).returncode == 1
    assert run("gc", "--home", str(home), "--grace", "0", "--apply").returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write where nobody else may")
def test_a_home_that_cannot_be_written_is_read(store: Store) -> None:
    filled(store)
    folder_of(store).chmod(0o500)
    try:
        assert told(folder_of(store)) == []
    finally:
        folder_of(store).chmod(0o700)


@pytest.mark.parametrize("verb", ["fsck", "gc"])
def test_no_home_is_one_clear_sentence(verb: str, tmp_path: Path) -> None:
    refused = run(verb, "--home", str(tmp_path))
    assert refused.returncode == 2
    assert "holds no store" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
