"""Moving out: everything is at the other lakeFS, and what was judged before the move is found and served after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.domain.dataset import repository_of
from catalog.domain.requests import CopyStore
from catalog.errors import AssayError
from catalog.services import copy_store
from catalog.services.watch import watch
from catalog.storage.lakefs import LakeFS
from tests.support.house import Crash, Desk, House, crash_at, ended, model_folder
from tests.support.lakefs_server import KEY, running
from tests.support.recordings import recording

ARM = repository_of("arm")
SECRET = "secret-of-the-test"  # found nowhere by chance


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """A second server."""
    with running(tmp_path / "elsewhere", LAKEFS_SECRET_ACCESS_KEY=SECRET) as server:
        yield server.url


@pytest.fixture
def full(desk: Desk, tmp_path: Path) -> Desk:
    """Two approved versions, one of them rebased, one quarantined, one only registered; and a model."""
    desk.bring("arm", "one", recording(tmp_path / "one"))
    desk.register("arm", "two", recording(tmp_path / "two", seed=2))
    desk.bring("arm", "three", recording(tmp_path / "three", seed=3))
    desk.check("arm", "two")
    desk.rebase("arm", "two")
    desk.check("arm", "two")
    desk.approve("arm", "two")
    desk.register("arm", "four", recording(tmp_path / "four", seed=4, spoil={1: "gap"}))
    desk.check("arm", "four")
    desk.quarantine("arm", "four", [1])
    desk.register_model("reach", model_folder(tmp_path / "model"))
    return desk


def copy(desk: Desk, url: str) -> dict[str, object]:
    wanted = CopyStore(url=url, namespace="local://", key=KEY, secret=SECRET)
    return ended(desk.wait(copy_store.start(desk.service.operations, "steward", wanted)))


def refs(store: LakeFS, repository: str) -> dict[str, list[tuple[str, int, str]]]:
    """What every branch and approved tag shows: paths, sizes, checksums."""
    names = ["main", "ingest-one", "ingest-two", "ingest-three", "ingest-four", "quarantine-four", "v1.0.0", "v1.2.0"]
    return {name: store.listing(repository, name).rows() for name in names}


def test_what_was_judged_before_is_served_after(full: Desk, elsewhere: str, tmp_path: Path) -> None:
    before, shown = full.approved("arm"), refs(full.store, ARM)
    messages = sorted(c.message for c in full.store.log(ARM, "main", 100))
    result = copy(full, elsewhere)
    assert (result["versions"], result["repositories"], result["uncommitted"]) == (5, 2, [])
    (newest, *_) = full.dataset("arm").versions
    assert [p.store for p in newest.places] == ["embedded", elsewhere.removesuffix("/api/v1")]
    home = full.service.settings
    full.service.close()

    moved = home.model_copy(
        update={
            "lakefs_url": elsewhere,
            "lakefs_key": _secret(KEY),
            "lakefs_secret": _secret(SECRET),
            "lakefs_namespace": "local://",
        }
    )
    with House(moved).open() as desk:
        assert desk.context.store.name == elsewhere.removesuffix("/api/v1")
        assert refs(desk.store, ARM) == shown
        assert sorted(c.message for c in desk.store.log(ARM, "main", 100)) == messages
        after = desk.approved("arm")
        assert after == before
        assert watch(desk.context) == []
        assert desk.check("arm", "four")["passed"] is False
        desk.register("arm", "five", recording(tmp_path / "five", seed=5))
        desk.check("arm", "five")
        assert desk.approve("arm", "five")["tag"] == "v1.3.0"
        assert watch(desk.context) == []
        for version in desk.dataset("arm").versions:
            desk.context.snapshot(version.manifest_digest)
            assert desk.store.head(ARM, desk.context.location(version.manifest_digest).branch) is not None


def _secret(text: str) -> object:
    from pydantic import SecretStr

    return SecretStr(text)


def test_what_is_there_is_not_sent_again(full: Desk, elsewhere: str) -> None:
    first = copy(full, elsewhere)
    again = copy(full, elsewhere)
    assert (again["sent_objects"], again["commits"]) == (0, first["commits"])


def test_a_copy_that_was_cut_goes_on(house: House, elsewhere: str, tmp_path: Path) -> None:
    with house.open(crash_at("copy-store", "_copy, unsaved")) as desk:
        desk.bring("arm", "one", recording(tmp_path / "one"))
        wanted = CopyStore(url=elsewhere, namespace="local://", key=KEY, secret=SECRET)
        with pytest.raises(Crash):
            desk.wait(copy_store.start(desk.service.operations, "steward", wanted))
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        result = copy(desk, elsewhere)
        assert (result["sent_objects"], result["versions"]) == (0, 1)


def test_a_store_with_something_else_of_that_name_is_refused(full: Desk, elsewhere: str) -> None:
    other = LakeFS(elsewhere, KEY, SECRET)
    other.ensure_repository(ARM, {})
    other.ensure_branch(ARM, "work", "main")
    other.upload(ARM, "work", "a", b"a")
    other.commit(ARM, "work", "mine", {})
    with pytest.raises(AssayError) as error:
        copy(full, elsewhere)
    assert error.value.kind == "already-exists"
    assert full.context.location(full.approved("arm").manifest_digest).store == "embedded"


def test_a_commit_that_only_says_that_it_is_a_copy_is_not_believed(full: Desk, elsewhere: str) -> None:
    from catalog.storage.copy import COPIED_FROM

    other = LakeFS(elsewhere, KEY, SECRET)
    other.ensure_repository(ARM, {})
    other.ensure_branch(ARM, "work", "main")
    other.upload(ARM, "work", "a", b"a")
    head = full.store.head(ARM, "main")
    assert head is not None
    other.commit(ARM, "work", "mine", {COPIED_FROM: head.id})
    with pytest.raises(AssayError) as error:
        copy(full, elsewhere)
    assert error.value.kind == "already-exists"


def test_wrong_credentials_change_nothing(full: Desk, elsewhere: str) -> None:
    wanted = CopyStore(url=elsewhere, namespace="local://", key=KEY, secret="wrong")
    with pytest.raises(AssayError) as error:
        copy_store.start(full.service.operations, "steward", wanted)
    assert error.value.kind == "store-refused"
    assert SECRET not in repr(wanted.model_copy(update={"secret": SECRET}))
    with pytest.raises(AssayError) as error:
        copy_store.start(full.service.operations, "steward", wanted.model_copy(update={"url": "http://127.0.0.1:9"}))
    assert error.value.kind == "store-unreachable"
