"""`lakefs-spec`, lakeFS's fsspec client, against the embedded server: a repository as a file system."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import fsspec
import lakefs
import pytest
from lakefs_spec import LakeFSFileSystem

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def files(access: dict[str, str]) -> LakeFSFileSystem:
    return LakeFSFileSystem(**access, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def root(repo: lakefs.Repository, files: LakeFSFileSystem) -> str:
    """`repo/main`, with a few files."""
    at = f"{repo.id}/main"
    for path in ("d/a.txt", "d/b.csv", "d/e/c.txt", "top.txt"):
        files.pipe(f"{at}/{path}", f"content of {path}: ä\n".encode())
    return at


def test_open_reads_and_writes_text_and_bytes(files: LakeFSFileSystem, root: str, repo: lakefs.Repository) -> None:
    with files.open(f"lakefs://{root}/new.txt", "w", metadata={"k": "v"}, content_type="text/x") as new:
        new.write("eins\n")
        new.write("zwei: ü\n")
    assert files.open(f"lakefs://{root}/new.txt", "rt").read() == "eins\nzwei: ü\n"
    assert list(files.open(f"{root}/new.txt", "r")) == ["eins\n", "zwei: ü\n"]
    assert files.open(f"{root}/new.txt", "rb").read(6) == b"eins\nz"
    stat = repo.branch("main").object("new.txt").stat()
    assert (stat.metadata, stat.content_type) == ({"k": "v"}, "text/x")
    with pytest.raises(lakefs.exceptions.ObjectExistsException):
        files.open(f"{root}/new.txt", "x")
    for missing in (f"{root}/none", f"{repo.id}/none/a", "no-such-repository/main/a"):
        with pytest.raises(FileNotFoundError):
            files.open(missing)


def test_listing_and_glob(files: LakeFSFileSystem, root: str) -> None:
    assert files.ls(f"lakefs://{root}/", detail=False) == [f"{root}/d/", f"{root}/top.txt"]
    inside = [f"{root}/d/a.txt", f"{root}/d/b.csv", f"{root}/d/e/"]
    assert files.ls(f"{root}/d", detail=False) == files.ls(f"{root}/d/", detail=False) == inside
    assert files.ls(f"{root}/none") == []
    assert files.glob(f"lakefs://{root}/**/*.txt") == [f"{root}/d/a.txt", f"{root}/d/e/c.txt", f"{root}/top.txt"]
    assert files.glob(f"{root}/d/?.*") == [f"{root}/d/a.txt", f"{root}/d/b.csv"]
    assert files.find(f"{root}/d") == [f"{root}/d/a.txt", f"{root}/d/b.csv", f"{root}/d/e/c.txt"]
    assert next(iter(files.walk(f"{root}/d"))) == (f"{root}/d", ["e"], ["a.txt", "b.csv"])


def test_what_is_known_of_a_file(files: LakeFSFileSystem, root: str) -> None:
    info = files.info(f"{root}/d/a.txt")
    content = files.cat(f"{root}/d/a.txt")
    assert (info["type"], info["size"], info["name"]) == ("file", len(content), f"{root}/d/a.txt")
    assert files.info(f"{root}/d")["type"] == "directory"
    with pytest.raises(FileNotFoundError):
        files.info(f"{root}/none")
    there = [files.exists(p) for p in (f"{root}/d/a.txt", f"{root}/none", "no-such-repository/main/a")]
    assert there == [True, False, False]
    assert (files.isdir(f"{root}/d"), files.isfile(f"{root}/d"), files.isfile(f"{root}/top.txt")) == (True, False, True)
    assert files.created(f"{root}/top.txt") == files.modified(f"{root}/top.txt")
    assert files.cat_file(f"{root}/top.txt", 3, 7) == content.replace(b"d/a", b"top")[3:7]
    assert (files.head(f"{root}/top.txt", 7), files.tail(f"{root}/top.txt", 3)) == (b"content", "ä\n".encode())
    assert files.du(f"{root}/") == sum(files.size(path) for path in files.find(f"{root}/"))


def test_put_get_copy_move_and_remove(files: LakeFSFileSystem, root: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    large = os.urandom(2_000_000)
    (here / "large").write_bytes(large)
    (here / "sub" / "small").write_text("1")
    files.put(f"{here}/", f"{root}/up/", recursive=True)
    assert files.find(f"{root}/up") == [f"{root}/up/large", f"{root}/up/sub/small"]
    files.put_file(here / "large", f"{root}/up/large")  # the same content: nothing is sent
    with pytest.raises(FileExistsError):
        files.put_file(here / "large", f"{root}/up/large", mode="create")
    files.get(f"{root}/up/", f"{tmp_path}/back/", recursive=True)
    assert (tmp_path / "back" / "large").read_bytes() == large
    assert (tmp_path / "back" / "sub" / "small").read_text() == "1"
    files.cp(f"{root}/up/", f"{root}/copy/", recursive=True)
    files.mv(f"{root}/copy/large", f"{root}/moved")
    assert files.cat(f"{root}/moved") == large
    with pytest.raises(FileNotFoundError):
        files.cp_file(f"{root}/none", f"{root}/x")
    files.rm(f"{root}/moved")
    files.rm(f"{root}/up/", recursive=True)
    files.rm(f"{root}/nothing")
    files.touch(f"{root}/empty")
    assert (files.size(f"{root}/empty"), files.exists(f"{root}/moved")) == (0, False)
    assert files.find(f"{root}/copy") == [f"{root}/copy/sub/small"]


def test_a_branch_is_made_when_one_writes_to_it(
    files: LakeFSFileSystem, root: str, repo: lakefs.Repository, access: dict[str, str]
) -> None:
    files.pipe(f"{repo.id}/fresh/a", b"1")
    assert [branch.id for branch in repo.branches()] == ["fresh", "main"]
    strict = LakeFSFileSystem(**access, create_branch_ok=False, skip_instance_cache=True)
    with pytest.raises(FileNotFoundError):
        strict.pipe(f"{repo.id}/other/a", b"1")


def test_transactions(files: LakeFSFileSystem, root: str, repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    main.commit("base")
    with files.transaction(repo, main) as change:
        files.pipe(f"{repo.id}/{change.branch.id}/tx", b"1")
        made = change.commit("in the transaction", metadata={"k": "v"})
        change.tag(made, "v1")
        assert change.rev_parse(made).id == made.id
        assert not files.exists(f"{root}/tx")
    assert files.cat(f"{root}/tx") == b"1"
    assert repo.tag("v1").get_commit().metadata == {"k": "v"}
    with suppress(KeyError), files.transaction(repo, main, delete="always") as change:
        files.pipe(f"{repo.id}/{change.branch.id}/broken", b"1")
        change.commit("broken")
        raise KeyError
    assert not files.exists(f"{root}/broken")
    with files.transaction(repo, main, automerge=False) as change:
        files.pipe(f"{repo.id}/{change.branch.id}/more", b"1")
        change.commit("more")
        change.merge(change.branch, "main")
        change.revert("main", "main")
    assert not files.exists(f"{root}/more")
    assert [branch.id for branch in repo.branches(show_hidden=True)] == ["main"]


def test_history_is_read_by_any_ref(files: LakeFSFileSystem, root: str, repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    first = main.commit("one")
    files.pipe(f"{root}/top.txt", b"2")
    main.commit("two")
    for ref in (first.id, first.id[:12], "main~1"):
        assert files.cat(f"{repo.id}/{ref}/top.txt").startswith(b"content")
    assert files.cat(f"{repo.id}/main/top.txt") == b"2"


def test_plain_fsspec_opens_an_address(access: dict[str, str], root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with fsspec.open(f"lakefs://{root}/top.txt", "rt", **access) as file:
        assert file.read() == "content of top.txt: ä\n"
    with fsspec.open(f"lakefs://{root}/written.txt", "wt", **access) as file:
        file.write("1")
    assert len(fsspec.open_files(f"lakefs://{root}/*.txt", **access)) == 2
    monkeypatch.setenv("LAKECTL_SERVER_ENDPOINT_URL", access["host"])
    monkeypatch.setenv("LAKECTL_CREDENTIALS_ACCESS_KEY_ID", access["username"])
    monkeypatch.setenv("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", access["password"])
    with fsspec.open(f"lakefs://{root}/top.txt", "rb") as file:
        assert file.read().startswith(b"content")


def test_wrong_keys_are_a_permission_error(access: dict[str, str], root: str) -> None:
    wrong = LakeFSFileSystem(**access | {"password": "wrong"}, skip_instance_cache=True)
    with pytest.raises(PermissionError):
        wrong.ls(f"{root}/")
