"""`assay dataset …`: register, check, rebase, approve, quarantine, show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output
from catalog.cli.decision import headline, show_decision
from catalog.cli.episodes import indices, ranges
from catalog.cli.findings.words import plain
from catalog.cli.naming import slug
from catalog.errors import AssayError, Conflict, Invalid, Refused

if TYPE_CHECKING:
    from catalog.client import Catalog
    from catalog.domain.check import Finding
    from catalog.domain.dataset import Provenance
    from catalog.domain.decision import Decision
    from catalog.domain.views import DatasetView, VersionView

app = typer.Typer(help="Datasets and their versions.", no_args_is_help=True, rich_markup_mode=None)
Dataset = Annotated[str, typer.Argument(help="The dataset's name.")]
Ingest = Annotated[str, typer.Option("--ingest", help="The ingest (one recording on its own branch).")]
PROVENANCE = "meta/provenance.json"
LIMIT = 2**20
SHOWN = 12


@app.command()
def register(
    dataset: Dataset,
    path: Annotated[Path, typer.Argument(help="The recording's folder.")],
    ingest: Annotated[str | None, typer.Option(help="Name of this ingest; the folder's name if absent.")] = None,
    provenance: Annotated[Path | None, typer.Option(help=f"Provenance document; PATH/{PROVENANCE} if absent.")] = None,
    by_reference: Annotated[
        bool, typer.Option("--by-reference", help="Leave the bytes where they are (below ASSAY_IMPORT_FOLDERS).")
    ] = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Register a recording: everything on its own ingest branch, with its manifest, or nothing."""
    with output.reported(as_json=json_):
        if not path.is_dir():
            raise Invalid("path-missing", f"no folder {path}", do="name the recording's folder")
        document = _provenance(provenance or path / PROVENANCE)
        name = ingest or slug(path.resolve().name)
        with output.catalog(as_, "engineer") as catalog, output.progress("register") as progress:
            result = catalog.register(dataset, name, path, document, progress, by_reference=by_reference)
        output.said(result, json_, f"registered {dataset} on branch ingest-{name} at {result['commit'][:12]}")


def _provenance(path: Path) -> Provenance:
    from catalog.domain.dataset import Provenance

    if not path.is_file():
        raise Invalid("path-missing", f"no provenance document {path}", do="write one (docs/provenance.md)")
    if path.stat().st_size > LIMIT:
        raise Invalid("document-invalid", f"{path} is larger than {LIMIT} bytes")
    return Provenance.parse(path.read_bytes())


@app.command()
def check(dataset: Dataset, ingest: Ingest, as_: output.As = None, json_: output.Json = False) -> None:
    """Re-read every byte of an ingest's commit and run its suites. Exit status 1 when something blocks."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "engineer") as catalog:
            with output.progress("check") as progress:
                catalog.check(dataset, ingest, progress)
            view = _newest(catalog.dataset(dataset).versions, ingest)
        result = view.check
        if result is None:
            raise Invalid("input-invalid", "the check left no result")
        if json_:
            output.say_json(result.document())
        else:
            _show_check(view)
        if not result.passed:
            raise typer.Exit(1)


def _show_check(view: VersionView) -> None:
    result = view.check
    if result is None:
        return
    verified = f"{result.objects_verified} objects ({result.bytes_verified / 1e6:.1f} MB) re-read"
    suites = ", ".join(f"{s.root}: {s.suite}" for s in result.suites)
    output.console().print(
        f"{'passed' if result.passed else 'blocking'}: {verified}; {suites}",
        style="green" if result.passed else "red",
        markup=False,
    )
    for fault in result.integrity[:SHOWN]:
        output.console().print(f"  integrity: {fault}", markup=False)
    if result.findings:
        _list_findings(result.findings)
    for suite in result.suites:
        for silent in suite.not_evaluable:
            blocks = "blocks, because the suite requires it" if silent in suite.not_evaluable_required else ""
            text = f"  {suite.root}: not evaluable: {silent} ({blocks or 'does not block'})"
            output.console().print(plain(text), style="dim", markup=False)


def _list_findings(findings: tuple[Finding, ...]) -> None:
    """As `assay check` lists them, each with its recording."""
    from catalog.cli.findings.terminal import list_findings
    from validators import findings as found

    output.console().print(f"{len(findings)} findings: episode, check, time, value", style="dim", markup=False)
    list_findings(
        output.console(),
        tuple(
            found.Finding(
                check=f.check,
                stream=f"{f.root} {f.stream}".strip(),
                message=f.message,
                episodes=f.episodes,
                start_s=f.start_s,
                end_s=f.end_s,
                value=f.value,
                limit=f.limit,
                unit=f.unit,
                resolves=f.resolves,
                severity=f.severity,
            )
            for f in findings
        ),
    )


@app.command()
def rebase(dataset: Dataset, ingest: Ingest, as_: output.As = None, json_: output.Json = False) -> None:
    """Bring an ingest up to date with main; it is checked and judged again afterwards."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "engineer") as catalog, output.progress("rebase") as progress:
            result = catalog.rebase(dataset, ingest, progress)
        output.said(result, json_, f"rebased {dataset}/{ingest} to {result['commit'][:12]}")


@app.command()
def approve(
    dataset: Dataset,
    ingest: Ingest,
    key: Annotated[Path | None, typer.Option(help="The steward's key file; KEYS/<principal>.pem if absent.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking; a terminal is asked first.")] = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Judge an ingest, show what would be signed, sign it as a steward, and merge exactly what was judged."""
    with output.reported(as_json=json_), output.catalog(as_, "steward") as catalog:
        from catalog.attest.envelope import DECISION, sign

        _refuse_approved(catalog, dataset, ingest)
        decision = catalog.judge_dataset(dataset, ingest)
        if not json_:
            show_decision(decision, brief=True)
        if decision.verdict != "eligible":
            raise _blocked(dataset, ingest, decision)
        if not (yes or json_) and sys.stdin.isatty():
            typer.confirm(f"Sign this as {catalog.principal}?", abort=True)
        path = key or catalog.settings.keys_folder / f"{catalog.principal}.pem"
        envelope = sign(decision.canonical(), DECISION, path, catalog.settings.home)
        with output.progress("approve") as progress:
            result = catalog.approve(envelope, progress)
        text = f"approved {dataset}/{ingest} as {result['tag']}, signed by {catalog.principal}"
        output.said(result, json_, text)


def _refuse_approved(catalog: Catalog, dataset: str, ingest: str) -> None:
    newest = next((v for v in catalog.dataset(dataset).versions if v.ingest == ingest), None)
    if newest is not None and newest.approval is not None:
        raise Conflict(
            "already-exists",
            f"{dataset}/{ingest} is approved already as {newest.approval.tag}",
            where=newest.commit[:12],
            do="use it; a correction is a new ingest",
        )


def _blocked(dataset: str, ingest: str, decision: Decision) -> AssayError:
    """Outdated when only that blocks; whatever else blocks is not mended by a rebase."""
    rules = [r.rule for r in decision.blocking()]
    if rules == ["on-main-head"]:
        return Conflict(
            "version-outdated",
            f"{dataset}/{ingest}: {decision.blocking()[0].message}",
            where="on-main-head",
            do=f"assay dataset rebase {dataset} --ingest {ingest}, then check and approve again",
        )
    record = "; record its robot with `assay robot register`" if "robot" in rules else ""
    return Refused(
        "decision-blocked",
        f"{dataset}/{ingest}: {headline(decision).removeprefix('because: ')}",
        where=rules[0],
        do=f"see what fails with `assay dataset check {dataset} --ingest {ingest}`; set episodes aside with "
        f"`assay dataset quarantine`, write the rest with `assay clean` and register that{record}",
    )


@app.command()
def quarantine(
    dataset: Dataset,
    ingest: Ingest,
    reason: Annotated[str, typer.Option(help="Why; goes into the record.")],
    episodes: Annotated[str, typer.Option(help="Comma-separated indices, `failing` from the last check, or `all`.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Quarantine episodes: from now on nothing may use them, under any name."""
    with output.reported(as_json=json_), output.catalog(as_, "steward") as catalog:
        if episodes == "failing":
            check_ = _newest(catalog.dataset(dataset).versions, ingest).check
            chosen = tuple(check_.failing_episodes().get(ingest, [])) if check_ is not None else ()
            if not chosen:
                raise Invalid("input-invalid", f"the last check of {ingest} names no failing episode")
        elif episodes == "all":
            chosen = ()
        else:
            chosen = indices(episodes)
        result = catalog.quarantine(dataset, ingest, chosen, reason)
        output.said(result, json_, f"quarantined {result['episodes']} episodes of {dataset}/{ingest}: {reason}")


@app.command()
def show(dataset: Dataset, as_: output.As = None, json_: output.Json = False) -> None:
    """A dataset with its versions, newest first."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            view = catalog.dataset(dataset)
        if json_:
            output.say_json(view.document())
            return
        output.table(
            f"{view.slug}",
            ("state", "tag", "ingest", "episodes", "origin", "manifest", "commit"),
            [_row(v) for v in view.versions],
        )
        for q in view.quarantines:
            what = f"episodes {ranges(q.episodes)} of {q.root}" if q.root else "a whole version"
            output.console().print(f"quarantined: {what}: {q.reason} ({q.by})", style="red", markup=False)


def _row(v: VersionView) -> list[str]:
    origins = sorted({r.provenance.source.origin for r in v.manifest.roots})
    return [
        v.state,
        v.approval.tag if v.approval else "",
        v.ingest,
        str(sum(r.episodes for r in v.manifest.roots)),
        ", ".join(origins),
        v.manifest_digest[7:19],
        v.commit[:12],
    ]


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """All datasets."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            views = catalog.datasets()
        if json_:
            output.say_json([v.document() for v in views])
            return
        rows = [[v.slug, str(len(v.versions)), _newest_approved(v)] for v in views]
        output.table("datasets", ("dataset", "versions", "newest approved"), rows)


def _newest_approved(view: DatasetView) -> str:
    """The newest version that a job may still be given; an approved one that was recalled is not."""
    approved = (v.approval.tag for v in view.versions if v.approval and v.state == "approved")
    return next(approved, "none approved")


def _newest(versions: tuple[VersionView, ...], ingest: str) -> VersionView:
    return next(v for v in versions if v.ingest == ingest)
