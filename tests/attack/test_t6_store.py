"""T6: somebody with the store's own key. `approved()` never serves what no decision made, and status names it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lakefs_sdk
import polars as pl
import pytest

from catalog.bootstrap import KINDS
from catalog.client.approved_data import ApprovedData
from catalog.client.observe import Observer
from catalog.domain.base import sha256
from catalog.domain.dataset import Episode, Manifest
from catalog.errors import AssayError
from catalog.services import manifest
from catalog.services.context import INTENT, MANIFEST
from catalog.services.watch import watch
from catalog.services.worker import poll
from tests.attack.attacker import Attack, blocked_by, verdict
from tests.support.house import Crash, Desk, crash_at, ended
from tests.support.recordings import recording

NUMBERS = itertools.count(100)


@dataclass
class Target:
    """A dataset with an approved version and a candidate, in a repository under attack."""

    attack: Attack
    slug: str
    folder: Path
    served: str
    merge: str

    @property
    def repository(self) -> str:
        return f"data-{self.slug}"

    @property
    def desk(self) -> Desk:
        return self.attack.desk

    def poll(self) -> str:
        """One poll; what status then says of this dataset."""
        poll(self.desk.context, self.desk.service.operations)
        return " ".join(u.why for u in self.desk.status().undecided if u.dataset == self.slug)

    def named(self, *words: str) -> None:
        """Status names it after one poll, the log has it, and the approved version is served as ever."""
        said = self.poll()
        assert all(word in said for word in words), said
        assert self.attack.audited("main.undecided", self.slug)
        assert self.desk.approved(self.slug).manifest_digest == self.served

    def unnamed(self) -> None:
        """Nothing stands undecided after one poll."""
        assert self.poll() == ""

    def candidate(self, ingest: str) -> None:
        self.desk.register(self.slug, ingest, recording(self.folder / ingest, seed=next(NUMBERS)))
        self.desk.check(self.slug, ingest)


@pytest.fixture
def target(attack: Attack, tmp_path: Path) -> Target:
    slug = f"t-{next(NUMBERS)}"
    done = attack.desk.bring(slug, "one", recording(tmp_path / "first", seed=next(NUMBERS)))
    return Target(attack, slug, tmp_path, done["manifest_digest"], done["commit"])


# main and tags behind the catalog's back


def test_a_direct_commit_with_forged_metadata(target: Target) -> None:
    """The commit says that the last approval made it, of that manifest, by that decision."""
    approval = target.desk.context.approvals(target.slug)[0]
    merge = target.desk.store.head(target.repository, "main")
    assert merge is not None
    forged = target.attack.commit_on(target.repository, "main", "one/evil.bin", b"x")
    target.named(forged.id[:12])
    target.attack.unprotect(target.repository)
    target.desk.store.upload(target.repository, "main", "one/worse.bin", b"y")
    metadata = {INTENT: merge.metadata[INTENT], MANIFEST: target.served, "assay.decision": approval.decision}
    bent = target.desk.store.commit(target.repository, "main", merge.message, metadata)
    target.named(bent.id[:12])


def test_a_direct_commit_under_the_name_of_an_approval_that_runs(target: Target) -> None:
    """While an approval waits, a commit that bears its intent's id is neither taken for its merge nor passed over."""
    target.candidate("two")
    crashed = target.desk.restarted(crash_at("approve", "_merge"))
    operation = crashed.begin_approve(target.desk.sign(target.desk.judge(target.slug, "two")))
    with pytest.raises(BaseException, match="approve at _merge"):
        crashed.wait(operation)
    target.attack.unprotect(target.repository)
    target.desk.store.upload(target.repository, "main", "one/evil.bin", b"x")
    forged = target.desk.store.commit(target.repository, "main", "Approve two", {INTENT: operation})
    watched = Attack(target.attack.house, crashed)
    assert watched.approved()[target.slug] == target.served
    assert forged.id in {u.commit for u in watch(target.desk.context)}
    target.desk.settle()
    assert target.desk.wait(operation).state == "undecided"
    assert operation in {o.id for o in target.desk.status().undecided_merges}
    assert target.attack.audited("approve.undecided", operation)
    target.named(forged.id[:12])


def test_a_direct_merge_of_a_candidate(target: Target) -> None:
    target.candidate("two")
    target.desk.store.merge(target.repository, "ingest-two", "main", "Approve two", {})
    target.named("which no decision made")
    error = target.desk.fails(lambda: target.desk.register(target.slug, "next", recording(target.folder / "next")))
    assert error.kind == "main-undecided"
    assert "on-main-head" in blocked_by(target.desk.judge(target.slug, "two"))


def test_a_revert_of_an_approval(target: Target) -> None:
    body = lakefs_sdk.RevertCreation(ref=target.merge, parent_number=1)
    lakefs_sdk.BranchesApi(target.attack.sdk).revert_branch(target.repository, "main", body)
    assert target.attack.head(target.repository) != target.merge
    target.named("which no decision made")


def test_a_cherry_pick_of_a_candidate(target: Target) -> None:
    target.candidate("two")
    body = lakefs_sdk.CherryPickCreation(ref="ingest-two")
    lakefs_sdk.BranchesApi(target.attack.sdk).cherry_pick(target.repository, "main", body)
    target.named("which no decision made")


def test_a_tag_made_again_elsewhere_and_one_removed(target: Target) -> None:
    tags = lakefs_sdk.TagsApi(target.attack.sdk)
    tags.delete_tag(target.repository, "v1.0.0")
    target.named("v1.0.0", "nothing")
    target.candidate("two")
    tags.create_tag(target.repository, lakefs_sdk.TagCreation(id="v1.0.0", ref="ingest-two"))
    target.named("v1.0.0", target.merge[:12])


def test_a_tag_that_was_taken_before(target: Target) -> None:
    """The name of the next approval, taken beforehand: the merge lands, nothing is approved, and it says so."""
    target.candidate("two")
    other = target.attack.head(target.repository, "ingest-two")
    target.desk.store.tag(target.repository, "v1.1.0", other)
    error = target.desk.fails(lambda: target.desk.approve(target.slug, "two"))
    assert error.kind == "merge-undecided"
    target.named("which no decision made")


def test_protection_emptied_and_main_set_back(target: Target) -> None:
    target.attack.unprotect(target.repository)
    head = target.desk.store.head(target.repository, "main")
    assert head is not None
    lakefs_sdk.ExperimentalApi(target.attack.sdk).hard_reset_branch(target.repository, "main", ref=head.parents[0])
    target.named(head.parents[0][:12], "which no decision made")


def test_the_branch_of_a_candidate_deleted_and_set_back(target: Target) -> None:
    """Its commit hangs on nothing, and a store may collect it: that is said before it is lost."""
    target.candidate("two")
    store, head = target.desk.store, target.attack.head(target.repository, "ingest-two")
    store.delete_branch(target.repository, "ingest-two")
    target.named(head[:12], "no branch holds")
    store.ensure_branch(target.repository, "ingest-two", f"{head}~1")
    target.named(head[:12], "no branch holds")
    store.delete_branch(target.repository, "ingest-two")
    store.ensure_branch(target.repository, "ingest-two", head)
    target.unnamed()
    assert target.desk.approve(target.slug, "two")["tag"] == "v1.1.0"


GATE = b"""name: gate
on:
  post-merge:
hooks:
  - {id: tell, type: webhook, properties: {url: "http://127.0.0.1:9/"}}
"""


def test_an_action_file_taken_from_main(target: Target) -> None:
    """Whatever it would have run, main without it is a head that nobody decided."""
    store = target.desk.store
    store.ensure_branch(target.repository, "mine", "main")
    store.upload(target.repository, "mine", "_lakefs_actions/gate.yaml", GATE)
    store.commit(target.repository, "mine", "another gate", {})
    store.merge(target.repository, "mine", "main", "another gate", {})
    target.named("which no decision made")


# between judgement and merge


def test_main_moves_between_judgement_and_approval(target: Target) -> None:
    target.candidate("two")
    envelope = target.desk.sign(target.desk.judge(target.slug, "two"))
    target.attack.commit_on(target.repository, "main", "one/evil.bin", b"x")
    error = target.attack.refused("version-outdated", lambda: target.desk.begin_approve(envelope))
    assert "moved since this was judged" in error.what


def test_main_moves_while_it_is_merged(target: Target) -> None:
    """The store offers no compare-and-swap there: what landed on the wrong head stays undecided, without a tag."""
    target.candidate("two")

    def move(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("approve", "before-merge"):
            target.attack.commit_on(target.repository, "main", "one/evil.bin", b"x")

    racing = target.desk.restarted(move)
    operation = racing.begin_approve(racing.sign(racing.judge(target.slug, "two")))
    error = racing.fails(lambda: ended(racing.wait(operation)))
    assert error.kind == "merge-undecided"
    assert target.desk.store.tagged(target.repository, "v1.1.0") is None
    assert [a.tag for a in target.desk.context.approvals(target.slug)] == ["v1.0.0"]
    assert target.attack.audited("approve.undecided", operation)
    target.named("which no decision made")


def test_the_ingest_branch_moves_after_its_check(target: Target) -> None:
    """What is merged is the commit that was judged, not what the branch says now."""
    target.candidate("two")
    target.attack.commit_on(target.repository, "ingest-two", "two/evil.bin", b"x")
    done = target.desk.approve(target.slug, "two")
    assert "two/evil.bin" not in set(target.desk.store.listing(target.repository, done["commit"])["path"])
    assert target.poll() == ""


# the bytes of a candidate


def _spoilt(target: Target, act: Callable[[str], None]) -> tuple[set[str], str]:
    """A candidate whose branch somebody else touched before the catalog committed it."""

    def boundary(kind: str, now: str) -> None:
        if (kind, now) == ("register", "_commit"):
            act("ingest-two")

    busy = target.desk.restarted(boundary)
    busy.register(target.slug, "two", recording(target.folder / "two", seed=next(NUMBERS)))
    target.desk.check(target.slug, "two")
    decision = target.desk.judge(target.slug, "two")
    assert target.attack.audited("dataset-approval.judged", decision.subject)
    envelope = target.desk.sign(decision)
    target.attack.refused("decision-blocked", lambda: target.desk.begin_approve(envelope))
    said = " ".join(r.message for r in decision.blocking())
    return blocked_by(decision), said


def test_an_object_that_no_table_lists(target: Target) -> None:
    store, repository = target.desk.store, target.repository
    rules, said = _spoilt(target, lambda branch: store.upload(repository, branch, "two/data/extra.parquet", b"x"))
    assert "listing-complete" in rules
    assert "two/data/extra.parquet" in said


@pytest.mark.parametrize("path", ["../../etc/cron.d/x", "/etc/passwd", "a\\..\\b", "two/\x1b[2J.parquet"])
def test_a_hostile_path_that_no_table_lists(target: Target, path: str) -> None:
    store, repository = target.desk.store, target.repository
    rules, said = _spoilt(target, lambda branch: store.upload(repository, branch, path, b"x"))
    assert "listing-complete" in rules
    assert "in the commit, in no table" in said


def test_a_swapped_blob(target: Target) -> None:
    store, repository, path = target.desk.store, target.repository, "two/data/chunk-000/episode_000001.parquet"
    rules, said = _spoilt(target, lambda branch: store.upload(repository, branch, path, b"other bytes"))
    assert "bytes-verified" in rules
    assert path in said


def test_a_missing_object(target: Target) -> None:
    store, repository, path = target.desk.store, target.repository, "two/meta/tasks.jsonl"
    rules, said = _spoilt(target, lambda branch: store.delete(repository, branch, [path]))
    assert "listing-complete" in rules
    assert f"{path}: in the table, not in the commit" in said


def _forge(target: Target, desk: Desk, change: Callable[[Episode], Episode]) -> None:
    """Commit other tables on the ingest branch, in the name of the intent that is at work there."""
    store, repository, branch = desk.store, target.repository, "ingest-two"
    head = store.head(repository, branch)
    assert head is not None
    document = Manifest.parse(b"".join(store.read(repository, head.id, manifest.MANIFEST)))
    episodes, objects = manifest.read_tables(store, repository, head.id, document)
    episode_table, object_table = manifest.tables([change(e) for e in episodes], objects)
    forged = document.model_copy(
        update={"episodes_table": sha256(episode_table), "objects_table": sha256(object_table)}
    )
    store.upload(repository, branch, manifest.MANIFEST, forged.canonical())
    store.upload(repository, branch, manifest.EPISODES, episode_table)
    store.upload(repository, branch, manifest.OBJECTS, object_table)
    store.commit(repository, branch, head.message, {**head.metadata, MANIFEST: forged.digest()})


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "sha256:" + "5" * 64},
        {"seed": "another seed"},
        {"rig": "rig-a2"},
        {"length": 7},
        {"objects": ("two/data/chunk-000/episode_000000.parquet",)},
    ],
    ids="+".join,
)
def test_forged_tables_in_the_name_of_the_intent(target: Target, change: dict[str, object]) -> None:
    """Tables that agree with each other and with no episode: quarantined content under a new fingerprint.

    They are put there in the one moment when the catalog has committed and not yet kept what it wrote.
    """

    def crash(kind: str, now: str) -> None:
        if (kind, now) == ("register", "_commit, unsaved"):
            _forge(target, target.desk, lambda e: e if e.root != "two" or e.index != 2 else e.model_copy(update=change))
            raise Crash

    busy = target.desk.restarted(crash)
    operation = busy.begin_register(target.slug, "two", recording(target.folder / "two", seed=next(NUMBERS)))
    with pytest.raises(Crash):
        busy.wait(operation)
    target.desk.settle()
    assert target.desk.wait(operation).state == "done"
    assert not target.desk.check(target.slug, "two")["passed"]
    decision = target.desk.judge(target.slug, "two")
    assert "listing-complete" in blocked_by(decision)
    assert "episode 2" in verdict(decision, "listing-complete")[1]
    envelope = target.desk.sign(decision)
    target.attack.refused("decision-blocked", lambda: target.desk.begin_approve(envelope))


def test_forged_tables_after_the_catalog_kept_what_it_wrote(target: Target) -> None:
    def boundary(kind: str, now: str) -> None:
        if (kind, now) == ("register", "fetch"):
            _forge(target, target.desk, lambda e: e.model_copy(update={"seed": "7"}))

    busy = target.desk.restarted(boundary)
    folder = recording(target.folder / "two", seed=next(NUMBERS))
    error = target.attack.refused("version-outdated", lambda: busy.register(target.slug, "two", folder))
    assert "was changed" in error.what


def test_every_kind_of_intent_is_known_here() -> None:
    """When another kind writes to lakeFS, its forged commits belong in this module; the others write none."""
    writing = {"register", "rebase", "check", "approve", "quarantine", "register-model"}
    elsewhere = {"promote", "rollback", "withdraw", "recall", "replay", "rotate", "copy-store"}
    assert {k.name for k in KINDS} == writing | elsewhere


# the copy that training reads


def test_a_swapped_file_of_the_verified_copy(target: Target) -> None:
    """Somebody with the disk changes what a job is about to read: the client finds it at first open."""
    answer = target.desk.approved(target.slug)
    path = next(o.path for o in answer.objects if o.path.endswith("000001.parquet"))
    file = Path(answer.folder, path)
    whole = file.read_bytes()
    file.chmod(0o600)
    pl.DataFrame({"x": [1]}).write_parquet(file)
    data = ApprovedData(answer, Observer())
    with pytest.raises(AssayError) as found:
        data.scan()
    assert found.value.kind == "digest-mismatch"
    assert path in found.value.what
    with pytest.raises(AssayError) as absent:
        data.open("one/../../../service.db")
    assert absent.value.kind == "listing-mismatch"
    file.write_bytes(whole)
