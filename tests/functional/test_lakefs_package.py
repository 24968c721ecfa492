"""The high-level `lakefs` package against the embedded server: each thing a person does with it."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import lakefs
import pytest
from lakefs.exceptions import (
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotAuthorizedException,
    NotFoundException,
    ObjectExistsException,
    ObjectNotFoundException,
    TransactionException,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def names(found: Any) -> list[str]:
    return [item.id for item in found]


def paths(found: Any) -> list[str]:
    return [item.path for item in found]


def test_the_client_knows_the_server(client: lakefs.Client) -> None:
    assert client.version.split(".")[0] == "1"
    assert client.storage_config.blockstore_type == "local"
    assert isinstance(client.storage_config.pre_sign_support, bool)


def test_wrong_keys_are_said(access: dict[str, str]) -> None:
    for wrong in (access | {"password": "wrong"}, {"host": access["host"], "access_token": "wrong"}):
        with pytest.raises(NotAuthorizedException):
            list(lakefs.repositories(client=lakefs.Client(**wrong)))


def test_repositories(repo: lakefs.Repository, client: lakefs.Client) -> None:
    assert repo.properties.id == repo.id
    assert repo.properties.default_branch == "main"
    assert abs(datetime.now(UTC).timestamp() - repo.properties.creation_date) < 600
    assert repo.metadata == {}
    with pytest.raises(ConflictException):
        repo.create(f"local://{repo.id}-again")
    assert repo.create(f"local://{repo.id}", exist_ok=True).id == repo.id
    assert repo.id in names(lakefs.repositories(client=client))
    assert names(lakefs.repositories(client=client, prefix=repo.id, max_amount=1)) == [repo.id]
    other = lakefs.Repository(f"{repo.id}-other", client=client)
    assert other.create(f"local://{other.id}", default_branch="trunk").properties.default_branch == "trunk"
    assert names(other.branches()) == ["trunk"]
    other.delete()
    for gone in (other.delete, lambda: other.branch("trunk").head, lambda: list(other.tags())):
        with pytest.raises(NotFoundException):
            gone()


def test_branches(repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    dev = repo.branch("dev").create("main")
    assert repo.branch("more").create(main).head.id == main.head.id
    assert dev.get_commit().id == main.get_commit().id
    with pytest.raises(ConflictException):
        dev.create("main")
    dev.create("main", exist_ok=True)
    repo.branch("secret").create(main, hidden=True)
    assert names(repo.branches()) == ["dev", "main", "more"]
    assert names(repo.branches(show_hidden=True)) == ["dev", "main", "more", "secret"]
    assert names(repo.branches(prefix="m", after="main")) == ["more"]
    assert names(repo.branches(max_amount=2)) == ["dev", "main"]
    with pytest.raises(BadRequestException):
        repo.branch("a/b").create(main)
    with pytest.raises(NotFoundException):
        repo.branch("other").create("nowhere")
    with pytest.raises(ForbiddenException):
        main.delete()
    dev.delete()
    with pytest.raises(NotFoundException):
        dev.delete()
    with pytest.raises(NotFoundException):
        _ = dev.head


CONTENT = "erste Zeile: ä\nzweite\n\nletzte"


def test_objects_as_text(repo: lakefs.Repository) -> None:
    thing = repo.branch("main").object("a folder/ü %2F?#.txt")
    assert not thing.exists()
    for ask in (thing.stat, lambda: thing.reader().read()):
        with pytest.raises(ObjectNotFoundException):
            ask()
    thing.upload(CONTENT, content_type="text/plain; charset=utf-8", metadata={"who": "me", "where": "Köln"})
    assert thing.exists()
    stat = thing.stat()
    assert (stat.path, stat.size_bytes) == (thing.path, len(CONTENT.encode()))
    assert stat.content_type == "text/plain; charset=utf-8"
    assert stat.metadata == {"who": "me", "where": "Köln"}
    with thing.reader("r") as reader:
        assert (reader.read(5), reader.tell(), reader.seek(0)) == ("erste", 5, 0)
        assert list(reader) == CONTENT.splitlines(keepends=True)
    with thing.reader("r") as reader:
        reader.seek(-6, os.SEEK_END)
        assert reader.read() == "letzte"


def test_objects_as_bytes(repo: lakefs.Repository) -> None:
    content = os.urandom(3_000_000)
    main = repo.branch("main")
    thing = main.object("thing.bin")
    with thing.writer("wb", metadata={"k": "v"}) as writer:
        for at in range(0, len(content), 700_000):
            writer.write(content[at : at + 700_000])
    with thing.reader() as reader:
        assert reader.read() == content
        assert (reader.read(), reader.seek(10), reader.read(20)) == (b"", 10, content[10:30])
        assert (reader.seek(len(content) + 5), reader.read(1)) == (len(content) + 5, b"")
        assert (reader.seek(len(content) - 1), reader.read(100)) == (len(content) - 1, content[-1:])
    empty = main.object("empty").upload(b"")
    assert (empty.stat().size_bytes, empty.reader().read()) == (0, b"")
    with pytest.raises(ObjectExistsException):
        thing.upload(b"new", mode="xb")
    assert main.object("fresh").upload(b"new", mode="xb").reader().read() == b"new"
    with suppress(KeyError), main.object("given up").writer() as writer:
        writer.write(b"half")
        raise KeyError
    assert not main.object("given up").exists()
    with thing.reader() as reader, pytest.raises(io.UnsupportedOperation):
        reader.write(b"1")


def test_listing_copy_delete_and_reset(repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    for path in ("a/1", "a/2", "a/b/3", "c"):
        main.object(path).upload(path)
    assert paths(main.objects()) == ["a/1", "a/2", "a/b/3", "c"]
    assert paths(main.objects(delimiter="/")) == ["a/", "c"]
    assert paths(main.objects(prefix="a/", delimiter="/")) == ["a/1", "a/2", "a/b/"]
    assert paths(main.objects(after="a/2", max_amount=1)) == ["a/b/3"]
    assert isinstance(next(iter(main.objects(delimiter="/"))), lakefs.models.CommonPrefix)
    main.commit("base")
    copied = main.object("c").copy("main", "copied")
    assert copied.stat().checksum == main.object("c").stat().checksum
    with pytest.raises(NotFoundException):
        main.object("none").copy("main", "copied")
    main.object("a/1").delete()
    main.object("a/1").delete()
    assert main.delete_objects(["a/2", main.object("c"), "none"]).errors == []
    changes = [(change.type, change.path) for change in main.uncommitted()]
    assert changes == [("removed", "a/1"), ("removed", "a/2"), ("removed", "c"), ("added", "copied")]
    assert [(c.type, c.path) for c in main.uncommitted(prefix="a/", max_amount=1)] == [("removed", "a/1")]
    main.reset_changes("object", "c")
    main.reset_changes("common_prefix", "a/")
    assert paths(main.uncommitted()) == ["copied"]
    main.reset_changes()
    assert paths(main.uncommitted()) == []
    assert main.object("a/1").reader("r").read() == "a/1"


def test_more_than_a_page_of_objects_is_listed_and_deleted(repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    wanted = [f"many/{number:04d}" for number in range(1005)]
    main.object("source").upload(b"1")
    for path in wanted:
        main.object("source").copy("main", path)
    assert paths(main.objects(prefix="many/")) == wanted
    assert len(paths(main.uncommitted())) == 1006
    assert main.delete_objects(wanted[:1000]).errors == []
    assert paths(main.objects(prefix="many/")) == wanted[1000:]


def test_commits_and_the_log(repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    first = main.head
    main.object("a").upload("1")
    made = main.commit("one", metadata={"key": "value"})
    commit = made.get_commit()
    assert (commit.message, commit.metadata, commit.parents) == ("one", {"key": "value"}, [first.id])
    assert commit.committer
    with pytest.raises(BadRequestException):
        main.commit("nothing")
    dated = main.commit("dated", allow_empty=True, date=1_000)
    assert dated.get_commit().creation_date == 1_000
    main.object("b").upload("2")
    last = main.commit("two")
    assert [commit.message for commit in main.log()] == ["two", "dated", "one", "Repository created"]
    assert [commit.message for commit in main.log(max_amount=1)] == ["two"]
    assert [commit.message for commit in main.log(objects=["a"])] == ["one"]
    assert [commit.message for commit in main.log(prefixes=["b"])] == ["two"]
    assert [commit.message for commit in main.log(stop_at=dated.id)] == ["two", "dated"]
    assert "dated" not in [commit.message for commit in main.log(since=datetime(2000, 1, 1, tzinfo=UTC))]
    assert repo.commit(last.id[:12]).get_commit().id == last.id
    assert repo.ref("main~1").get_commit().id == dated.id
    assert repo.ref(f"{made.id}").object("a").reader("r").read() == "1"
    with pytest.raises(ObjectNotFoundException):
        repo.commit(made.id).object("b").stat()


def test_diff_and_merge(repo: lakefs.Repository) -> None:
    main, dev = repo.branch("main"), repo.branch("dev").create("main")
    dev.object("new").upload("1")
    dev.object("d/x").upload("1")
    with pytest.raises(BadRequestException):
        dev.merge_into(main)  # what is staged is not merged
    dev.commit("dev")
    changes = list(main.diff(dev))
    assert [(c.type, c.path, c.path_type) for c in changes] == [("added", "d/x", "object"), ("added", "new", "object")]
    assert paths(main.diff("dev", prefix="n")) == ["new"]
    assert [(c.type, c.path) for c in main.diff(dev, delimiter="/", max_amount=1)] == [("prefix_changed", "d/")]
    assert [(c.type, c.path) for c in dev.diff(main, type="two_dot")] == [("removed", "d/x"), ("removed", "new")]
    with pytest.raises(NotFoundException):
        list(main.diff("none"))
    merged = dev.merge_into(main, message="bring it", metadata={"why": "because"})
    commit = repo.commit(merged).get_commit()
    assert (commit.message, len(commit.parents)) == ("bring it", 2)
    assert commit.metadata["why"] == "because"
    with pytest.raises(BadRequestException):
        dev.merge_into(main)
    for branch, content in ((main, "main"), (dev, "dev")):
        branch.object("new").upload(content)
        branch.commit("apart")
    with pytest.raises(ConflictException):
        dev.merge_into(main)
    assert [(c.type, c.path) for c in main.diff(dev)] == [("conflict", "new")]
    assert main.object("new").reader("r").read() == "main"
    dev.merge_into(main, strategy="source-wins", squash_merge=True)
    assert len(main.get_commit().parents) == 1
    assert main.object("new").reader("r").read() == "dev"


def test_tags(repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    main.object("a").upload("1")
    main.commit("one")
    tag = repo.tag("v1.0").create(main)
    main.object("a").upload("2")
    main.commit("two")
    assert tag.object("a").reader("r").read() == "1"
    assert tag.get_commit().message == "one"
    assert names(repo.tags()) == ["v1.0"]
    with pytest.raises(ConflictException):
        tag.create(main)
    assert tag.create(main, exist_ok=True).get_commit().message == "one"
    assert paths(tag.diff(main)) == ["a"]
    tag.delete()
    with pytest.raises(NotFoundException):
        tag.delete()
    with pytest.raises(NotFoundException):
        repo.tag("v1.0").get_commit()


def test_revert_and_cherry_pick(repo: lakefs.Repository) -> None:
    main, dev = repo.branch("main"), repo.branch("dev").create("main")
    main.object("a").upload("1")
    main.commit("one")
    reverted = main.revert("main")
    assert reverted.id == main.head.id
    assert paths(main.objects()) == []
    dev.object("b").upload("1")
    dev.commit("two", metadata={"k": "v"})
    picked = main.cherry_pick("dev")
    assert (picked.message, picked.id) == ("two", main.head.id)
    assert main.object("b").exists()
    main.revert(picked.id, 0)
    dev.merge_into(main, allow_empty=True)
    with pytest.raises(ConflictException):
        main.revert("main")  # a merge has two parents: which?
    for wrong in ("none", "main~99"):
        with pytest.raises(NotFoundException):
            main.revert(wrong)


def test_a_transaction_is_all_or_nothing(repo: lakefs.Repository) -> None:
    main = repo.branch("main")
    with main.transact(commit_message="both", commit_metadata={"k": "v"}, tag="both") as change:
        change.object("a").upload("1")
        change.object("b").upload("2")
        assert not main.object("a").exists()
    assert paths(main.objects()) == ["a", "b"]
    assert next(iter(main.log(max_amount=2))).message.startswith("Merge transaction")
    assert repo.tag("both").get_commit().id == main.head.id
    with suppress(KeyError), main.transact(commit_message="broken") as change:
        change.object("c").upload("3")
        raise KeyError
    assert not main.object("c").exists()
    with pytest.raises(TransactionException), main.transact(commit_message="nothing"):
        pass
    assert names(repo.branches(show_hidden=True)) == ["main"]


def test_a_scoped_token_instead_of_keys(
    repo: lakefs.Repository, client: lakefs.Client, access: dict[str, str], lakefs_server: Any
) -> None:
    repo.branch("ingest-a").create("main")
    asked = {"repository": repo.id, "branches": ["ingest-*"], "access": "stage", "expires_in": 600}
    token = lakefs_server.http.post("/assay/tokens", json=asked).json()["token"]
    host = {"host": access["host"]}
    for given in (host | {"access_token": token}, host | {"username": "token", "password": token}):
        theirs = lakefs.Repository(repo.id, client=lakefs.Client(**given))
        mine = theirs.branch("ingest-a")
        mine.object("a").upload("1", metadata={"k": "v"})
        assert mine.object("a").reader("r").read() == "1"
        assert paths(mine.uncommitted()) == paths(mine.objects()) == ["a"]
        mine.object("a").copy("ingest-a", "b")
        assert mine.delete_objects(["a", "b"]).errors == []
        for refused in (
            lambda theirs=theirs: theirs.branch("main").object("a").upload("1"),
            lambda theirs=theirs: list(theirs.branches()),
            lambda mine=mine: mine.commit("m"),
            lambda mine=mine: mine.merge_into("main"),
        ):
            with pytest.raises(ForbiddenException):
                refused()
