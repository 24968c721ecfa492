"""The VersionStore contract over HTTP: against the embedded server, and against any lakeFS that LAKEFS_TEST_URL names
(with LAKEFS_TEST_KEY, LAKEFS_TEST_SECRET and LAKEFS_TEST_NAMESPACE).
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Iterator

import pytest

from catalog.errors import AssayError
from catalog.storage.lakefs import LakeFS
from tests.support.house import Desk

_names = itertools.count(int(time.time()) % 1_000_000 * 1000)  # a server that stays keeps what was made before
CONFIGURED = "LAKEFS_TEST_URL" in os.environ


@pytest.fixture(
    scope="module",
    params=["embedded", *(["configured"] if CONFIGURED else [])],
)
def store(request: pytest.FixtureRequest, shared_desk: Desk) -> LakeFS:
    if request.param == "embedded":
        return shared_desk.store
    url, key, secret, namespace = (os.environ[f"LAKEFS_TEST_{n}"] for n in ("URL", "KEY", "SECRET", "NAMESPACE"))
    return LakeFS(url, key, secret, namespace=namespace)


@pytest.fixture
def repository(store: LakeFS) -> Iterator[str]:
    name = f"contract-{next(_names)}"
    store.ensure_repository(name, {"assay.dataset": name})
    store.ensure_branch(name, "work", "main")
    return name


def put(store: LakeFS, repository: str, branch: str, **files: str) -> str:
    for name, content in files.items():
        store.upload(repository, branch, name.replace("__", "/"), content.encode())
    return store.commit(repository, branch, "commit", {"k": "v"}).id


def kind(error: pytest.ExceptionInfo[AssayError]) -> str:
    assert error.value.what
    assert error.value.where
    return error.value.kind


def test_what_is_there_is_not_made_again(store: LakeFS, repository: str) -> None:
    commit = put(store, repository, "work", a="1")
    store.ensure_repository(repository, {})
    store.ensure_branch(repository, "work", "main")
    head = store.head(repository, "work")
    assert head is not None
    assert (head.id, head.message, head.metadata["k"]) == (commit, "commit", "v")


def test_absent_things_are_none(store: LakeFS, repository: str) -> None:
    assert store.head(repository, "nowhere") is None
    assert store.head("no-such-repository", "main") is None
    assert store.tagged(repository, "v9") is None
    store.delete_branch(repository, "nowhere")


def test_absent_things_that_must_be_there_are_errors(store: LakeFS, repository: str) -> None:
    for act in (
        lambda: list(store.listing(repository, "nowhere")),
        lambda: list(store.read(repository, "main", "nothing")),
        lambda: store.log(repository, "nowhere", 1),
        lambda: store.merge_base(repository, "nowhere", "main"),
        lambda: store.upload(repository, "nowhere", "a", b""),
    ):
        with pytest.raises(AssayError) as error:
            act()
        assert kind(error) == "input-invalid"


def test_bytes_come_back(store: LakeFS, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 41
    stored = store.upload(repository, "work", "a b/ü%+&?#.bin", content)
    assert (stored.size, stored.checksum) == (len(content), hashlib.md5(content).hexdigest())
    commit = store.commit(repository, "work", "m", {}).id
    assert b"".join(store.read(repository, commit, "a b/ü%+&?#.bin")) == content
    monkeypatch.setattr("catalog.storage.transfer.BLOCK", 1000)
    chunks = list(store.read(repository, commit, "a b/ü%+&?#.bin"))
    assert b"".join(chunks) == content
    assert len(chunks) == 11
    assert store.listing(repository, commit).rows() == [(stored.path, stored.size, stored.checksum)]
    store.upload(repository, "work", "empty", b"")
    assert b"".join(store.read(repository, "work", "empty")) == b""


def test_listing_pages_in_order(store: LakeFS, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"f{n}": "x" for n in range(7)}
    commit = put(store, repository, "work", **names, z__deep="y")
    for page in ("catalog.storage.lakefs.PAGE", "catalog.storage.transfer.PAGE"):
        monkeypatch.setattr(page, 3)
    assert list(store.listing(repository, commit)["path"]) == [*sorted(names), "z/deep"]
    assert list(store.listing(repository, commit, "z/")["path"]) == ["z/deep"]
    store.delete(repository, "work", sorted(names))
    assert list(store.listing(repository, "work")["path"]) == ["z/deep"]
    assert len(store.diff(repository, "main", commit)) == 8


def test_reset_drops_what_is_staged(store: LakeFS, repository: str) -> None:
    put(store, repository, "work", a="1")
    store.upload(repository, "work", "b", b"2")
    store.reset(repository, "work")
    assert list(store.listing(repository, "work")["path"]) == ["a"]


def test_main_is_protected(store: LakeFS, repository: str) -> None:
    for act in (
        lambda: store.upload(repository, "main", "a", b"1"),
        lambda: store.commit(repository, "main", "m", {}),
        lambda: store.delete(repository, "main", ["a"]),
        lambda: store.reset(repository, "main"),
    ):
        with pytest.raises(AssayError) as error:
            act()
        assert kind(error) == "store-refused"


def test_a_merge_onto_its_own_base_keeps_the_tree(store: LakeFS, repository: str) -> None:
    base = store.head(repository, "main")
    commit = put(store, repository, "work", a="1")
    assert base is not None
    assert store.merge_base(repository, commit, "main") == base.id
    merged = store.merge(repository, commit, "main", "merge", {"assay.intent": "i"})
    candidate = store.head(repository, commit)
    assert candidate is not None
    assert merged.parents == (base.id, commit)
    assert merged.metarange == candidate.metarange
    assert store.log(repository, "main", 5)[0] == merged


def test_conflicts_are_refused_or_decided(store: LakeFS, repository: str) -> None:
    store.ensure_branch(repository, "other", "main")
    ours = put(store, repository, "work", a="ours", w="1")
    theirs = put(store, repository, "other", a="theirs", o="1")
    store.merge(repository, theirs, "main", "m", {})
    with pytest.raises(AssayError) as error:
        store.merge(repository, ours, "main", "m", {})
    assert kind(error) == "merge-conflict"
    head = store.head(repository, "main")
    store.merge(repository, head.id if head else "", "work", "m", {}, keep="destination")
    assert b"".join(store.read(repository, "work", "a")) == b"ours"
    assert list(store.listing(repository, "work")["path"]) == ["a", "o", "w"]
    assert {(c.path, c.kind) for c in store.diff(repository, "main", "work")} == {("a", "changed"), ("w", "added")}


def test_a_tag_stays_where_it_is(store: LakeFS, repository: str) -> None:
    one, two = put(store, repository, "work", a="1"), put(store, repository, "work", a="2")
    store.tag(repository, "v1.0.0", one)
    store.tag(repository, "v1.0.0", one)
    with pytest.raises(AssayError) as error:
        store.tag(repository, "v1.0.0", two)
    assert kind(error) == "already-exists"
    assert store.tagged(repository, "v1.0.0") == one


def test_nothing_to_commit_is_an_error(store: LakeFS, repository: str) -> None:
    with pytest.raises(AssayError):
        store.commit(repository, "work", "m", {})


def test_a_store_that_is_not_there() -> None:
    store = LakeFS("http://127.0.0.1:9", "k", "s")
    with pytest.raises(AssayError) as error:
        store.head("repository", "main")
    assert kind(error) == "store-unreachable"


def test_a_wrong_key(shared_desk: Desk) -> None:
    store = LakeFS(shared_desk.store._url, "k", "s")
    with pytest.raises(AssayError) as error:
        store.head("repository", "main")
    assert kind(error) == "store-refused"
