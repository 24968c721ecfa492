"""A history of every kind of commit, copied between two servers: same trees, same words, same refs; resumed anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lakefs_sdk
import pytest

from catalog.errors import AssayError
from catalog.storage.copy import COPIED_FROM, WORK, copy_repository
from catalog.storage.lakefs import LakeFS
from tests.support.lakefs_server import KEY, SECRET, running

REPOSITORY = "history"
WHOLE = 40  # objects that the commits of `tell` add or change, merges aside


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeFS]:
    with running(tmp_path_factory.mktemp("source") / "home") as server:
        store = LakeFS(server.url, KEY, SECRET)
        tell(store)
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LakeFS]:
    with running(tmp_path / "target") as server:
        yield LakeFS(server.url, KEY, SECRET)


def tell(store: LakeFS) -> None:
    """Uploads, changes, deletions, merges of each strategy, a squash, a revert, a cherry-pick, tags, something staged."""
    store.ensure_repository(REPOSITORY, {"owner": "me"})
    store.ensure_branch(REPOSITORY, "work", "main")
    for number in range(30):
        store.upload(REPOSITORY, "work", f"data/{number:03d}", b"x" * number)
    store.commit(REPOSITORY, "work", "thirty", {"k": "v"})
    store.merge(REPOSITORY, "work", "main", "bring thirty", {})
    store.ensure_branch(REPOSITORY, "side", "main")
    for branch, content in (("work", b"work"), ("side", b"side")):
        store.upload(REPOSITORY, branch, "both", content)
        store.upload(REPOSITORY, branch, f"only-{branch}", content)
        store.commit(REPOSITORY, branch, f"on {branch}", {})
    store.delete(REPOSITORY, "work", ["data/003", "data/004"])
    deletion = store.commit(REPOSITORY, "work", "delete two", {})
    store.merge(REPOSITORY, "work", "main", "bring work", {})
    store.merge(REPOSITORY, "side", "main", "source wins", {}, keep="source")
    store.merge(REPOSITORY, "main", "side", "destination wins", {}, keep="destination")
    commits, refs = lakefs_sdk.CommitsApi(store.client), lakefs_sdk.RefsApi(store.client)
    creation = lakefs_sdk.RevertCreation(ref=deletion.id, parent_number=0)
    store.call(lakefs_sdk.BranchesApi(store.client).revert_branch, REPOSITORY, "work", creation)
    store.ensure_branch(REPOSITORY, "picked", "main~2")
    pick = lakefs_sdk.CherryPickCreation(ref="side~1")
    store.call(lakefs_sdk.BranchesApi(store.client).cherry_pick, REPOSITORY, "picked", pick)
    store.ensure_branch(REPOSITORY, "squashed", "main~1")
    merge = lakefs_sdk.Merge(message="squash", squash_merge=True, strategy="source-wins")
    store.call(refs.merge_into_branch, REPOSITORY, "work", "squashed", merge=merge)
    empty = lakefs_sdk.CommitCreation(message="nothing", allow_empty=True, date=86_400)
    store.call(commits.commit, REPOSITORY, "squashed", empty)
    store.tag(REPOSITORY, "v1", "main~1")
    store.tag(REPOSITORY, "lone", deletion.id)
    store.upload(REPOSITORY, "side", "staged", b"never committed")


def told(store: LakeFS) -> dict[str, Any]:
    """All that a reader sees: trees of refs, the words of every commit, which is whose parent, protection."""
    branches = lakefs_sdk.BranchesApi(store.client)
    heads = {r.id: r.commit_id for r in store.call(branches.list_branches, REPOSITORY).results}
    tags = {r.id: r.commit_id for r in store.call(lakefs_sdk.TagsApi(store.client).list_tags, REPOSITORY).results}
    found: dict[str, Any] = {}
    for name, commit in (heads | tags).items():
        log = store.log(REPOSITORY, commit, 1000)
        words = {c.id: (c.message, {k: v for k, v in c.metadata.items() if k != COPIED_FROM}) for c in log}
        lines = sorted(repr((words[c.id], [words[p] for p in c.parents])) for c in log)
        found[name] = (store.listing(REPOSITORY, commit).rows(), lines)
    rules = store.call(lakefs_sdk.RepositoriesApi(store.client).get_branch_protection_rules, REPOSITORY)
    return {"refs": found, "branches": sorted(heads), "rules": [r.pattern for r in rules]}


def no_progress(_part: float) -> None:
    """Nobody looks."""


def test_everything_is_there(source: LakeFS, target: LakeFS) -> None:
    seen: list[float] = []
    copied = copy_repository(source, target, REPOSITORY, seen.append)
    assert told(target) == told(source)
    assert copied.uncommitted == ("side",)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    repositories = lakefs_sdk.RepositoriesApi(target.client)
    assert target.call(repositories.get_repository_metadata, REPOSITORY) == {"owner": "me"}
    squashed = target.call(lakefs_sdk.CommitsApi(target.client).get_commit, REPOSITORY, "squashed")
    assert squashed.creation_date == 86_400


class Cut(Exception):
    """The copy ends here."""


@pytest.mark.parametrize("after", [1, 20, 33, 36, 40])
def test_cut_anywhere_it_goes_on(source: LakeFS, target: LakeFS, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, sent = 0, list[str]()
    upload = target.transfer.upload

    def counted(repository: str, branch: str, path: str, *rest: Any) -> dict[str, Any]:
        sent.append(path)
        return upload(repository, branch, path, *rest)

    monkeypatch.setattr(target.transfer, "upload", counted)

    def cut(_part: float) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            raise Cut

    with pytest.raises(Cut):
        copy_repository(source, target, REPOSITORY, cut)
    copy_repository(source, target, REPOSITORY, no_progress)
    assert told(target) == told(source)
    assert len(sent) == WHOLE
    assert copy_repository(source, target, REPOSITORY, no_progress).objects == 0


def test_later_commits_follow(source: LakeFS, target: LakeFS) -> None:
    copy_repository(source, target, REPOSITORY, no_progress)
    source.ensure_branch(REPOSITORY, "later", "main")
    source.upload(REPOSITORY, "later", "later", b"later")
    source.commit(REPOSITORY, "later", "later", {})
    source.merge(REPOSITORY, "later", "main", "bring later", {})
    assert copy_repository(source, target, REPOSITORY, no_progress).objects == 1
    assert told(target) == told(source)


def test_a_target_that_went_on_is_refused(source: LakeFS, target: LakeFS) -> None:
    copy_repository(source, target, REPOSITORY, no_progress)
    target.upload(REPOSITORY, "work", "mine", b"mine")
    target.commit(REPOSITORY, "work", "mine", {})
    with pytest.raises(AssayError) as error:
        copy_repository(source, target, REPOSITORY, no_progress)
    assert error.value.kind == "already-exists"


def evil(target: LakeFS, source: LakeFS) -> None:
    """A commit at the target that says it is the copy of the first one, and holds something else."""
    first = next(c for c in source.log(REPOSITORY, "main", 1000) if c.message == "thirty")
    target.ensure_repository(REPOSITORY, {})
    target.ensure_branch(REPOSITORY, "work", "main")
    for number in range(30):
        target.upload(REPOSITORY, "work", f"data/{number:03d}", b"y" * number)
    target.commit(REPOSITORY, "work", "thirty", {"k": "v", COPIED_FROM: first.id})


def test_a_mark_over_other_content_is_not_believed(source: LakeFS, target: LakeFS) -> None:
    evil(target, source)
    with pytest.raises(AssayError) as error:
        copy_repository(source, target, REPOSITORY, no_progress)
    assert error.value.kind == "already-exists"


def test_a_copy_that_somebody_changed_under_way_is_refused_and_goes_on(source: LakeFS, target: LakeFS) -> None:
    steps = 0

    def disturb(_part: float) -> None:
        """The thirty objects of the first commit are staged, and it is still to be made."""
        nonlocal steps
        steps += 1
        if steps == 1 + 30:
            (work,) = (name for name in target.branches(REPOSITORY) if name.startswith(WORK))
            target.upload(REPOSITORY, work, "data/001", b"somebody else")

    with pytest.raises(AssayError) as error:
        copy_repository(source, target, REPOSITORY, disturb)
    assert error.value.kind == "records-damaged"
    copy_repository(source, target, REPOSITORY, no_progress)
    assert told(target) == told(source)
