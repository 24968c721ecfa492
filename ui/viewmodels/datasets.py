"""Datasets and their versions as rows: state, where the data comes from, what the checks found, who approved it."""

from __future__ import annotations

from typing import Any

from catalog.domain.check import CheckResult, Finding
from catalog.domain.dataset import Root, Source
from catalog.domain.views import DatasetView, VersionView
from ui.viewmodels.text import number, plain, ranges, short, size, when

Row = dict[str, Any]

STATES = {
    "approved": "green",
    "checked": "blue",
    "registered": "gray",
    "rebased": "gray",
    "failing": "orange",
    "quarantined": "red",
}
MEANING = {
    "approved": "A steward's signature approves this version; training may use it.",
    "checked": "Every check passed; nobody has approved it yet.",
    "registered": "Nobody has checked it yet, so it may not be used.",
    "rebased": "Brought up to date with main as a newer version, which replaces it.",
    "failing": "The newest check failed, so it cannot be approved.",
    "quarantined": "It holds quarantined episodes and may be used for nothing.",
}
ORIGINS = {
    "simulated": "**Simulated**: made by a physics engine, not recorded on a robot.",
    "stand-in": "**Stand-in**: simulation that plays a field recording. It is not field data and never counts as real.",
    "generated": "**Generated** by a model, not recorded on a robot.",
    "reconstructed": "**Reconstructed** from recordings, not recorded on a robot as it is.",
    "recorded, origin unverified": "**Recorded, origin unverified**: no enrolled device vouches for this recording.",
}


def overview(datasets: list[DatasetView]) -> list[Row]:
    """One row a dataset: its newest approved version, how its versions stand, where its data comes from."""
    return [
        {
            "dataset": plain(view.slug),
            "newest approved": approved.approval.tag if approved and approved.approval else "none",
            "episodes": episodes(approved) if approved else None,
            "origin": origins(view.versions[0]) if view.versions else [],
            "versions": [f"{count} {state}" for state, count in _counts(view).items()],
            "arrived": view.versions[0].registered_at if view.versions else None,
        }
        for view in datasets
        for approved in [newest_approved(view)]
    ]


def _counts(view: DatasetView) -> dict[str, int]:
    found = [v.state for v in view.versions]
    return {state: found.count(state) for state in STATES if state in found}


def newest_approved(view: DatasetView) -> VersionView | None:
    """The newest version in state approved, None where there is none."""
    return next((v for v in view.versions if v.state == "approved"), None)


def episodes(version: VersionView) -> int:
    """Episodes of all recordings of a version."""
    return sum(root.episodes for root in version.manifest.roots)


def origins(version: VersionView) -> list[str]:
    """What the recordings of a version may be called, each once."""
    return sorted({root.provenance.source.origin for root in version.manifest.roots})


def name(version: VersionView) -> str:
    """How people call a version: its tag, or the ingest it came by."""
    tag = version.approval.tag if version.approval else "no tag"
    return f"{tag} · {version.ingest} · {version.state} · {short(version.manifest_digest)}"


def urn(view: DatasetView, version: VersionView) -> str:
    """The version's node in the lineage."""
    return f"urn:assay:version:{view.slug}:{version.manifest_digest.removeprefix('sha256:')}"


def version_rows(view: DatasetView) -> list[Row]:
    """One row a version, newest first."""
    return [
        {
            "state": [v.state],
            "tag": v.approval.tag if v.approval else "",
            "ingest": plain(v.ingest),
            "episodes": episodes(v),
            "origin": origins(v),
            "blocking": len(findings(v.check, "blocking")) if v.check else None,
            "warnings": len(findings(v.check, "warning")) if v.check else None,
            "quarantined": v.quarantined_episodes,
            "arrived": v.registered_at,
            "by": plain(v.registered_by),
            "manifest": short(v.manifest_digest),
        }
        for v in view.versions
    ]


def findings(check: CheckResult, severity: str) -> list[Finding]:
    """The findings of one severity."""
    return [f for f in check.findings if f.severity == severity]


def finding_rows(check: CheckResult) -> list[Row]:
    """One row a finding, blocking first, with everything it says."""
    return [
        {
            "severity": [f.severity],
            "check": plain(f.check),
            "episodes": ranges(f.episodes) or "all",
            "span": span(f),
            "value": measure(f.value, f.unit),
            "limit": measure(f.limit, f.unit),
            "resolves": plain(f.resolves),
            "what was found": plain(f.message),
            "stream": plain(f.stream),
            "recording": plain(f.root),
        }
        for f in sorted(check.findings, key=lambda f: (f.severity != "blocking", f.root, f.check, f.episodes))
    ]


def span(finding: Finding) -> str:
    """The time span of a finding, in seconds of its episode."""
    if finding.start_s is None or finding.end_s is None:
        return "whole episode"
    return f"{finding.start_s:.3f} – {finding.end_s:.3f} s"


def measure(amount: float | None, unit: str) -> str:
    """A value in its unit, to four significant digits."""
    return "" if amount is None else plain(f"{number(float(f'{amount:.4g}'))} {unit}")


def check_rows(check: CheckResult) -> list[Row]:
    """One row an expectation of every suite that ran: clean, found, or not evaluable and why."""
    rows = []
    for suite in check.suites:
        for result in suite.result["results"]:
            config, silent = result["expectation_config"], result["exception_info"]["raised_exception"]
            outcome = "not evaluable" if silent else "clean" if result["success"] else "found"
            note = result["exception_info"]["exception_message"] if silent else result["meta"].get("note", "")
            rows.append(
                {
                    "outcome": [outcome],
                    "expectation": plain(config["type"]),
                    "required": bool(config["meta"].get("required", False)),
                    "severity": plain(config["severity"]),
                    "note": plain(note or ""),
                    "recording": plain(suite.root),
                }
            )
    return sorted(rows, key=lambda row: ("found", "not evaluable", "clean").index(row["outcome"][0]))


def suite_lines(check: CheckResult) -> list[tuple[str, str]]:
    """What ran, on which bytes, by which engine."""
    lines = [
        ("checked", f"{when(check.at)} by {plain(check.by)}"),
        ("commit", plain(check.commit)),
        ("bytes re-read", f"{check.objects_verified} objects, {size(check.bytes_verified)}"),
        ("listing", "; ".join(plain(fault) for fault in check.integrity) or "agrees with the version's table"),
    ]
    for suite in check.suites:
        engine = ", ".join(f"{plain(k)} {plain(v)}" for k, v in sorted(suite.engine.items()))
        lines += [
            ("suite", f"{plain(suite.suite)} on {plain(suite.root)}: {'passed' if suite.passed else 'failed'}"),
            ("suite digest", suite.suite_digest),
            ("engine", engine),
        ]
    return lines


def provenance_lines(root: Root) -> list[tuple[str, str]]:
    """Where one recording comes from, and under which terms."""
    source, terms = root.provenance.source, root.provenance.terms
    lines = [
        ("kind", source.kind + (f", {source.maker}" if source.maker else "")),
        ("origin", source.origin),
        ("robot", source.robot),
        ("rigs", _list(source.rigs)),
        ("sites", _list(source.sites)),
        ("operators", _list(source.operators)),
        ("clock", source.clock or "not stated"),
        ("description", source.description or "none"),
        *_engine_lines(source),
        ("licence", terms.licence),
        ("consent", terms.consent),
        ("keep until", when(terms.retention_until) if terms.retention_until else "no date stated"),
        ("note", terms.note),
        ("format", root.format),
        ("holds", f"{root.episodes} episodes, {root.frames:,} frames, {root.objects} objects, {size(root.bytes)}"),
    ]
    if root.selected_from is not None:
        kept = f"{len(root.selected_from.kept)} episodes of {root.selected_from.root}: "
        lines.append(("selected from", kept + ranges(root.selected_from.kept)))
        lines.append(("its manifest", root.selected_from.manifest))
    return [(label, plain(text)) for label, text in lines if text]


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "not stated"


def _engine_lines(source: Source) -> list[tuple[str, str]]:
    if source.engine is None:
        return []
    engine = source.engine
    randomised = [(f"randomised {k}", str(v)) for k, v in sorted(engine.randomisation.items())]
    return [
        ("engine", f"{engine.name} {engine.version}"),
        ("scene", engine.scene_digest),
        ("seed", str(engine.seed)),
        *randomised,
    ]


def identity_lines(version: VersionView) -> list[tuple[str, str]]:
    """Which version it is, exactly, and where its bytes are."""
    return [
        ("manifest", version.manifest_digest),
        ("commit", plain(version.commit)),
        ("branch", plain(version.branch)),
        ("episodes table", version.manifest.episodes_table),
        ("objects table", version.manifest.objects_table),
        *(("parent", parent) for parent in version.manifest.parents),
        ("registered", f"{when(version.registered_at)} by {plain(version.registered_by)}"),
    ]


def approval_lines(version: VersionView) -> list[tuple[str, str]]:
    """Who approved it, by which decision, and the merge that followed; empty where nobody did."""
    if version.approval is None:
        return []
    a = version.approval
    return [
        ("approved", f"{when(a.at)}, signed by {plain(a.by)}"),
        ("tag", plain(a.tag)),
        ("decision", a.decision),
        ("judged commit", a.candidate),
        ("against head", a.head),
        ("merge commit", a.merge_commit),
    ]


def quarantined_elsewhere(view: DatasetView, version: VersionView) -> str:
    """Where the acts on this version do not explain its quarantined episodes, what does; empty otherwise."""
    own = [q for q in view.quarantines if q.manifest_digest == version.manifest_digest]
    more = version.quarantined_episodes - len({(q.root, episode) for q in own for episode in q.episodes})
    if more <= 0 or any(not q.episodes for q in own):  # an act without episodes is about all of them
        return ""
    said = "1 episode holds" if more == 1 else f"{more} episodes hold"
    return f"{said} content quarantined under another name; the gate and `assay dataset approve` name it."


def quarantine_rows(view: DatasetView, version: VersionView | None = None) -> list[Row]:
    """One row an act of quarantine, of the dataset or of one version, with its reason."""
    return [
        {
            "episodes": ranges(q.episodes) or "all",
            "count": len(q.fingerprints),
            "recording": plain(q.root or "all"),
            "reason": plain(q.reason),
            "by": plain(q.by),
            "at": q.at,
            "manifest": short(q.manifest_digest),
        }
        for q in view.quarantines
        if version is None or q.manifest_digest == version.manifest_digest
    ]
