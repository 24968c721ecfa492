"""Bad input to register, check and register-model: one clear message with a stable kind, and no half state."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.domain.dataset import Provenance, repository_of
from catalog.domain.requests import RegisterDataset
from catalog.errors import AssayError
from catalog.services import register, register_model, train
from catalog.services.manifest import OBJECTS
from tests.support.house import Desk, model_folder
from tests.support.recordings import Defect, provenance, recording

UNREADABLE: tuple[tuple[Defect, str], ...] = (
    ("empty-info", "info.json"),
    ("empty-episodes", "episodes.jsonl"),
    ("cut", "episode_000000.parquet"),
    ("type", "timestamp"),
)


def untouched(desk: Desk, dataset: str, act: Callable[[], Any]) -> AssayError:
    """The error of an act that must leave records and store as they are."""
    before = desk.status()
    error = desk.fails(act)
    after = desk.status()
    assert (after.versions, after.datasets, after.models, after.epoch) == (
        before.versions,
        before.datasets,
        before.models,
        before.epoch,
    )
    assert after.running == ()
    assert desk.store.head(repository_of(dataset), "ingest-one") is None
    assert error.kind != "internal-error", error
    assert error.what
    return error


@pytest.mark.parametrize(("defect", "named"), UNREADABLE)
def test_a_damaged_recording(shared_desk: Desk, tmp_path: Path, defect: Defect, named: str) -> None:
    folder = recording(tmp_path / "one", defect=defect)
    error = untouched(shared_desk, defect, lambda: shared_desk.register(defect, "one", folder))
    assert error.kind == "dataset-unreadable"
    assert named in str(error)
    assert error.do


def test_a_damaged_recording_can_be_mended_and_registered(shared_desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one", defect="cut")
    untouched(shared_desk, "mended", lambda: shared_desk.register("mended", "one", folder))
    assert shared_desk.audit()[-1].action == "register.failed"
    shared_desk.register("mended", "one", recording(tmp_path / "again"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("relative/folder", "input-invalid"),
        ("/no/such/folder", "path-missing"),
        ("/" + "a" * 300, "path-unreadable"),
        ("/dev/null", "path-missing"),
        ("/a\0b", "path-missing"),
    ],
)
def test_a_path_that_is_no_folder(shared_desk: Desk, path: str, kind: str) -> None:
    document = Provenance.of(provenance())
    run = shared_desk.start_run()
    operations = shared_desk.service.operations
    for act in (
        lambda: register.start(
            operations, "engineer", "arm", RegisterDataset(ingest="one", path=path, provenance=document)
        ),
        lambda: register_model.start(operations, "engineer", "reach", path, None, {}),
        lambda: train.give_folder(shared_desk.context, "engineer", run.id, path),
    ):
        error = untouched(shared_desk, "arm-none", act)
        assert error.kind == kind
        assert error.do


def test_a_link_out_of_the_folder(shared_desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")
    (folder / "passwd").symlink_to("/etc/passwd")
    error = untouched(shared_desk, "linked", lambda: shared_desk.register("linked", "one", folder))
    assert error.kind == "dataset-unreadable"
    assert "passwd" in error.what


def test_a_pipe_in_the_folder(shared_desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")
    os.mkfifo(folder / "pipe")
    error = untouched(shared_desk, "piped", lambda: shared_desk.register("piped", "one", folder))
    assert error.kind == "dataset-unreadable"


def test_an_ingest_twice(shared_desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")
    shared_desk.register("twice", "one", folder)
    error = shared_desk.fails(lambda: shared_desk.register("twice", "one", folder))
    assert error.kind == "already-exists"
    assert len(shared_desk.dataset("twice").versions) == 1


def test_a_branch_of_somebody_else_is_kept(shared_desk: Desk, tmp_path: Path) -> None:
    repository = repository_of("taken")
    shared_desk.store.ensure_repository(repository, {})
    shared_desk.store.ensure_branch(repository, "ingest-one", "main")
    shared_desk.store.upload(repository, "ingest-one", "theirs", b"x")
    commit = shared_desk.store.commit(repository, "ingest-one", "m", {}).id
    error = shared_desk.fails(lambda: shared_desk.register("taken", "one", recording(tmp_path / "one")))
    assert error.kind == "already-exists"
    head = shared_desk.store.head(repository, "ingest-one")
    assert head is not None
    assert head.id == commit


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"schema": "provenance@1", "schema": "provenance@1"}', "twice"),
        (json.dumps(provenance(clock=float("nan"))), "NaN"),
        (json.dumps(provenance() | {"extra": 1}), "extra"),
        (json.dumps(provenance(kind="synthetic")), "maker"),
        (json.dumps(provenance(kind="synthetic", maker="simulated")), "engine"),
        (json.dumps(provenance(maker="simulated")), "maker"),
        (json.dumps(provenance(licence="")), "licence"),
        ('{"schema": "provenance@1", "source": 1e999}', "overflows"),
        ("[" * 100_000, "strict JSON"),
        ("", "strict JSON"),
    ],
)
def test_a_provenance_document_that_is_not_strict(text: str, word: str) -> None:
    with pytest.raises(AssayError) as error:
        Provenance.parse(text)
    assert error.value.kind == "document-invalid"
    assert word in error.value.what


def test_an_object_that_no_table_lists(desk: Desk, tmp_path: Path) -> None:
    """Uploaded and committed behind the catalog: the registered commit is judged, and the branch is not merged."""
    desk.register("arm", "one", recording(tmp_path / "one"))
    registered = desk.dataset("arm").versions[0].commit
    desk.store.upload(repository_of("arm"), "ingest-one", "one/extra.bin", b"extra")
    desk.store.commit(repository_of("arm"), "ingest-one", "extra", {})
    assert desk.check("arm", "one")["passed"] is True
    desk.approve("arm", "one")
    merged = desk.store.listing(repository_of("arm"), "main")
    assert "one/extra.bin" not in list(merged["path"])
    assert desk.context.approvals("arm")[0].candidate == registered


def test_an_object_slipped_into_the_commit_itself(desk: Desk, tmp_path: Path) -> None:
    """Staged on the branch while the catalog commits: the check lists what no table names, and approval is blocked."""

    def slip(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "_commit"):
            desk.store.upload(repository_of("arm"), "ingest-one", "one/extra.bin", b"extra")

    slipping = desk.restarted(slip)
    slipping.register("arm", "one", recording(tmp_path / "one"))
    assert desk.check("arm", "one")["passed"] is False
    check = desk.dataset("arm").versions[0].check
    assert check is not None
    assert check.integrity == ("one/extra.bin: in the commit, in no table",)
    decision = desk.judge("arm", "one")
    assert decision.verdict == "blocked"
    assert desk.fails(lambda: desk.begin_approve(desk.sign(decision))).kind == "decision-blocked"
    assert desk.fails(lambda: desk.approved("arm")).kind == "no-approved-version"


def test_an_object_of_other_bytes_in_the_commit(desk: Desk, tmp_path: Path) -> None:
    def swap(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "_commit"):
            path = "one/data/chunk-000/episode_000001.parquet"
            desk.store.upload(repository_of("arm"), "ingest-one", path, b"other bytes")

    desk.restarted(swap).register("arm", "one", recording(tmp_path / "one"))
    assert desk.check("arm", "one")["passed"] is False
    check = desk.dataset("arm").versions[0].check
    assert check is not None
    assert "episode_000001" in check.integrity[0]
    assert desk.judge("arm", "one").verdict == "blocked"


def test_a_table_of_other_bytes_in_the_commit(desk: Desk, tmp_path: Path) -> None:
    def swap(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "fetch"):
            desk.store.upload(repository_of("arm"), "ingest-one", OBJECTS, b"other bytes")
            desk.store.commit(repository_of("arm"), "ingest-one", "swap", {})

    desk.restarted(swap).register("arm", "one", recording(tmp_path / "one"))
    assert desk.check("arm", "one")["passed"] is True, "the registered commit is another one"


def test_a_blob_swapped_on_the_disk_of_the_store(desk: Desk, tmp_path: Path) -> None:
    desk.register("arm", "one", recording(tmp_path / "one"))
    target = tmp_path / "one/data/chunk-000/episode_000000.parquet"
    blobs = desk.service.settings.home / "lakefs"
    (blob,) = [f for f in blobs.rglob("*") if f.is_file() and f.read_bytes() == target.read_bytes()]
    blob.chmod(0o644)
    blob.write_bytes(target.read_bytes()[::-1])
    assert desk.check("arm", "one")["passed"] is False
    check = desk.dataset("arm").versions[0].check
    assert check is not None
    assert "episode_000000.parquet: bytes are" in check.integrity[0]
    assert desk.judge("arm", "one").verdict == "blocked"
    assert desk.status().running == ()


def test_bytes_that_change_while_they_are_registered(desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")

    def change(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "_upload"):
            (folder / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "other"}\n')

    error = untouched(desk, "arm", lambda: desk.restarted(change).register("arm", "one", folder))
    assert error.kind == "path-unreadable"
    assert "tasks.jsonl" in error.what


def test_a_file_that_goes_away_while_it_is_registered(desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")

    def remove(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "_upload"):
            (folder / "meta/tasks.jsonl").unlink()

    error = untouched(desk, "arm", lambda: desk.restarted(remove).register("arm", "one", folder))
    assert error.kind == "path-unreadable"


@pytest.mark.parametrize("text", ["", "{", '{"inputs": []}', '{"rate_hz": NaN}'])
def test_a_contract_that_says_nothing(shared_desk: Desk, tmp_path: Path, text: str) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "contract.json").write_text(text)
    error = untouched(shared_desk, "none", lambda: shared_desk.register_model("reach", folder))
    assert error.kind == "model-invalid"


def test_a_model_without_a_contract_or_with_a_link(shared_desk: Desk, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "link.npz").symlink_to(folder / "weights.npz")
    assert untouched(shared_desk, "none", lambda: shared_desk.register_model("r", folder)).kind == "model-invalid"
    (folder / "link.npz").unlink()
    (folder / "contract.json").unlink()
    assert untouched(shared_desk, "none", lambda: shared_desk.register_model("r", folder)).kind == "model-invalid"


def test_a_model_of_a_run_that_is_not_there(shared_desk: Desk, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    error = untouched(shared_desk, "none", lambda: shared_desk.register_model("r", folder, run="no-run"))
    assert error.kind == "run-unknown"


def test_weights_that_change_while_they_are_registered(desk: Desk, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")

    def change(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register-model", "_upload"):
            (folder / "weights.npz").write_bytes(b"other")

    error = desk.fails(lambda: desk.restarted(change).register_model("reach", folder))
    assert error.kind == "path-unreadable"
    assert desk.fails(lambda: desk.context.model("reach")).kind == "model-unknown"
    assert desk.register_model("reach", model_folder(tmp_path / "second"))["name"] == "reach"


def test_quarantine_of_what_is_not_there(shared_desk: Desk, tmp_path: Path) -> None:
    shared_desk.register("q", "one", recording(tmp_path / "one", seed=77))
    assert shared_desk.fails(lambda: shared_desk.quarantine("q", "one", [99])).kind == "input-invalid"
    assert shared_desk.fails(lambda: shared_desk.quarantine("q", "one", [1], reason="  ")).kind == "input-invalid"
    assert shared_desk.fails(lambda: shared_desk.quarantine("q", "two", [1])).kind == "ingest-unknown"
    assert shared_desk.fails(lambda: shared_desk.quarantine("no", "two", [1])).kind == "dataset-unknown"
    assert shared_desk.context.quarantines("q") == []


def test_two_selections_of_one_recording_in_one_version(desk: Desk, tmp_path: Path) -> None:
    """Both name the same parent, which must not stop the second."""
    desk.register("arm", "raw", recording(tmp_path / "raw", episodes=4, spoil={3: "nan"}))
    part = recording(tmp_path / "part", episodes=4)
    for index in (3, 2):
        (part / f"data/chunk-000/episode_{index:06d}.parquet").unlink()
    _cut(part, 2)
    desk.bring("arm", "clean-a", part)
    desk.bring("arm", "clean-b", part)
    roots = desk.context.version(desk.approved("arm").manifest_digest).manifest.roots
    assert [r.slug for r in roots] == ["clean-a", "clean-b"]
    assert {r.selected_from.manifest for r in roots if r.selected_from} == {
        desk.context.candidate("arm", "raw").manifest_digest
    }


def _cut(folder: Path, episodes: int) -> None:
    info = json.loads((folder / "meta/info.json").read_text())
    info |= {"total_episodes": episodes, "total_frames": 30 * episodes}
    (folder / "meta/info.json").write_text(json.dumps(info))
    for name in ("episodes.jsonl", "assay_episodes.jsonl"):
        lines = (folder / "meta" / name).read_text().splitlines(keepends=True)
        (folder / "meta" / name).write_text("".join(lines[:episodes]))
