"""Datasets as rows: states, origins said plainly, findings with everything they measured, quarantine with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

from catalog.domain.check import CheckResult, Finding, SuiteRun
from catalog.domain.dataset import Engine, Manifest, Provenance, Quarantine, Root, Source, Terms
from catalog.domain.views import DatasetView, VersionState, VersionView
from ui.viewmodels import datasets as rows

AT = datetime(2026, 3, 1, tzinfo=UTC)
DIGEST = f"sha256:{'d' * 64}"
COMMIT = "c" * 64
HOSTILE = "<script>alert(1)</script>\u202e ![x](http://evil.example)"


def root(maker: Any = "stand-in", licence: str = "CC0-1.0") -> Root:
    engine = Engine(name="mujoco", version="3", scene_digest=DIGEST, seed=7, randomisation={"payload_kg": [0.1, 0.3]})
    source = Source(kind="synthetic", maker=maker, robot="arm", rigs=("a", "b"), engine=engine)
    provenance = Provenance(source=source, terms=Terms(licence=licence, consent="not applicable"))
    return Root(
        slug="week-1", format="lerobot-v2.1", provenance=provenance, episodes=60, frames=3000, objects=66, bytes=9
    )


def checked(*findings: Finding) -> CheckResult:
    entries = [("clean", "expect_time_to_increase"), ("found", "expect_no_gaps"), ("silent", "expect_frame_rate")]
    results = [
        {
            "success": word == "clean",
            "expectation_config": {"type": kind, "severity": "critical", "meta": {"required": True}, "kwargs": {}},
            "meta": {"note": "clock judged: timestamp"},
            "exception_info": {"raised_exception": word == "silent", "exception_message": "no video is declared"},
        }
        for word, kind in entries
    ]
    suite = SuiteRun(
        root="week-1",
        suite="arm@1",
        suite_digest=DIGEST,
        engine={"engine": "assay-polars"},
        passed=not findings,
        episodes=60,
        evaluated=3,
        result={"results": results},
    )
    return CheckResult(
        id="1",
        dataset="arm",
        manifest_digest=DIGEST,
        commit=COMMIT,
        objects_verified=66,
        bytes_verified=585_755,
        wrong_bytes=(),
        wrong_listing=(),
        suites=(suite,),
        findings=findings,
        at=AT,
        by="engineer",
    )


def version(state: VersionState, check: CheckResult | None = None, **changes: Any) -> VersionView:
    manifest = Manifest(dataset="arm", roots=(root(),), episodes_table=DIGEST, objects_table=DIGEST)
    return VersionView(
        ingest="week-1",
        manifest_digest=DIGEST,
        manifest=manifest,
        commit=COMMIT,
        branch="ingest-week-1",
        registered_by="engineer",
        registered_at=AT,
        state=state,
        check=check,
        **changes,
    )


def view(*versions: VersionView, quarantines: tuple[Quarantine, ...] = ()) -> DatasetView:
    return DatasetView(slug="arm", repository="arm", created_by="engineer", versions=versions, quarantines=quarantines)


def test_every_state_has_a_colour_and_a_meaning() -> None:
    assert set(get_args(VersionState)) == set(rows.STATES) == set(rows.MEANING)


def test_every_origin_is_said_plainly() -> None:
    origins = {
        root(maker).provenance.source.origin for maker in ("simulated", "generated", "reconstructed", "stand-in")
    }
    origins.add(Source(kind="field", robot="arm").origin)
    assert origins == set(rows.ORIGINS)
    assert "never counts as real" in rows.ORIGINS["stand-in"]


def test_the_overview_counts_states_and_says_when_nothing_is_approved() -> None:
    (row,) = rows.overview([view(version("failing"), version("failing"), version("registered"))])
    assert row["newest approved"] == "none"
    assert row["episodes"] is None
    assert row["versions"] == ["1 registered", "2 failing"]
    assert row["origin"] == ["stand-in"]
    (empty,) = rows.overview([view()])
    assert empty["arrived"] is None


def test_a_finding_says_everything_it_measured_and_blocking_comes_first() -> None:
    warning = Finding(check="effective_frame_rate", severity="warning", root="week-1", message="half rate")
    gap = Finding(
        check="gap",
        severity="blocking",
        root="week-1",
        stream="timestamp",
        episodes=(7, 48, 49),
        start_s=0.5508899,
        end_s=0.7482,
        value=197.33136,
        limit=75.0,
        unit="ms",
        resolves="one missing frame",
        message=HOSTILE,
    )
    first, second = rows.finding_rows(checked(warning, gap))
    assert (first["check"], second["check"]) == ("gap", "effective_frame_rate")
    assert first["episodes"] == "7, 48–49"
    assert first["span"] == "0.551 – 0.748 s"
    assert (first["value"], first["limit"], first["resolves"]) == ("197.3 ms", "75 ms", "one missing frame")
    assert "\u202e" not in first["what was found"]
    assert (second["value"], second["span"], second["episodes"]) == ("", "whole episode", "all")


def test_what_could_not_be_evaluated_is_never_clean() -> None:
    found = rows.check_rows(checked())
    assert [row["outcome"] for row in found] == [["found"], ["not evaluable"], ["clean"]]
    assert found[1]["note"] == "no video is declared"


def test_provenance_names_engine_scene_seed_and_terms() -> None:
    lines = dict(rows.provenance_lines(root(licence="x" * 9)))
    assert lines["kind"] == "synthetic, stand-in"
    assert lines["engine"] == "mujoco 3"
    assert (lines["scene"], lines["seed"], lines["licence"]) == (DIGEST, "7", "x" * 9)
    assert lines["randomised payload_kg"] == "[0.1, 0.3]"
    assert lines["rigs"] == "a, b"
    assert lines["sites"] == "not stated"


def test_quarantine_names_episodes_and_reason_for_its_version_only() -> None:
    act = Quarantine(
        id="1",
        dataset="arm",
        manifest_digest=DIGEST,
        root="week-1",
        episodes=(7, 19),
        fingerprints=(DIGEST, DIGEST),
        reason=HOSTILE,
        by="steward",
        at=AT,
    )
    own = version("quarantined")
    found = view(own, quarantines=(act,))
    (row,) = rows.quarantine_rows(found, own)
    assert (row["episodes"], row["count"], row["by"]) == ("7, 19", 2, "steward")
    assert "\u202e" not in row["reason"]
    other = own.model_copy(update={"manifest_digest": f"sha256:{'e' * 64}"})
    assert rows.quarantine_rows(found, other) == []


def test_content_quarantined_under_another_name_is_said() -> None:
    act = Quarantine(
        id="1",
        dataset="arm",
        manifest_digest=DIGEST,
        root="week-1",
        episodes=(7, 8),
        fingerprints=(DIGEST,),
        reason="gap",
        by="steward",
        at=AT,
    )
    explained = version("quarantined", quarantined_episodes=2)
    assert rows.quarantined_elsewhere(view(explained, quarantines=(act,)), explained) == ""
    more = version("quarantined", quarantined_episodes=5)
    assert rows.quarantined_elsewhere(view(more, quarantines=(act,)), more).startswith("3 episodes hold content")
    assert "`assay dataset approve`" in rows.quarantined_elsewhere(view(explained), explained)
    whole = act.model_copy(update={"episodes": ()})
    assert rows.quarantined_elsewhere(view(more, quarantines=(whole,)), more) == ""
    sound = version("approved")
    assert rows.quarantined_elsewhere(view(sound), sound) == ""


def test_a_version_without_approval_has_no_approval_lines() -> None:
    assert rows.approval_lines(version("checked")) == []
    assert ("manifest", DIGEST) in rows.identity_lines(version("checked"))
