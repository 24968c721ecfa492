"""The report of a dossier: four questions answered in their order, then what the answers are conditional on and what
nobody knows. Every number names the document it was read in.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.domain.base import sha256, utc_text
from catalog.domain.report import Fact, Report, Row, Section, Table, result_of
from catalog.domain.run import Code
from catalog.reports import allowed, documents
from catalog.reports.documents import data_file, listed, reproduction_file, run_file
from catalog.reports.dossier import Data, Dossier
from catalog.reports.words import counted, day, listing, several


def report(dossier: Dossier, files: Mapping[str, bytes]) -> Report:
    """The one document that both renderings show; `files` are those of `documents`."""
    sections = (
        _origin(dossier),
        _labels(dossier),
        _versions(dossier),
        allowed.allowed(dossier),
        allowed.conditions(dossier),
        allowed.unknown(dossier),
    )
    return Report(
        home=dossier.home,
        environment=dossier.environment,
        as_of=dossier.as_of,
        audit_head=dossier.head,
        epoch=dossier.epoch,
        model=dossier.model.digest_,
        model_name=dossier.model.manifest.name,
        device_class=dossier.device_class,
        device=dossier.device,
        decision=dossier.decision.digest(),
        release=dossier.release.manifest.id if dossier.release else None,
        standing=dossier.standing,
        result=result_of(dossier.standing),
        sections=sections,
        documents=listed(dict(files)),
    )


def _origin(dossier: Dossier) -> Section:
    recordings, engines, terms, facts = [], [], [], []
    for number, data in enumerate(dossier.data, start=1):
        source = data_file(number, "manifest.json")
        for root in data.version.manifest.roots:
            said, where = root.provenance.source, f"{data.version.dataset} / {root.slug}"
            cells = (where, said.origin, said.robot, listing(said.rigs), listing(said.sites), listing(said.operators))
            recordings.append(Row(cells=(*cells, str(root.episodes), str(root.frames)), source=source))
            if said.engine is not None:
                e = said.engine
                drawn = listing(f"{k}: {v}" for k, v in sorted(e.randomisation.items()))
                engines.append(
                    Row(cells=(where, f"{e.name} {e.version}", e.scene_digest, str(e.seed), drawn), source=source)
                )
            t = root.provenance.terms
            until = day(t.retention_until) if t.retention_until else "no end stated"
            terms.append(Row(cells=(where, t.licence, t.consent, until, t.note), source=source))
        bad = sorted({(q.root or "all", e) for q in data.quarantines for e in (q.episodes or (-1,))})
        facts.append(_fact(f"{data.version.dataset}: quarantined", _quarantined(bad), documents.STATE))
    episodes = sum(len(d.episodes) for d in dossier.data)
    origins = sorted({row.cells[1] for row in recordings})
    if dossier.data:
        answer = (
            f"From {counted(episodes, 'episode')} in {counted(len(recordings), 'recording')} ({listing(origins)}) of "
            f"{counted(len(dossier.data), 'dataset version')}. Each row names the document that says so."
        )
    elif dossier.training:
        answer = "No approved dataset version went into it. See the inputs of its training run below."
    else:
        answer = "Nobody recorded how this model was fitted, so nobody knows where its data came from."
    tables = [
        _table(
            "Recordings",
            ("recording", "origin", "robot", "rig", "site", "operator", "episodes", "frames"),
            recordings,
        ),
        _table("Simulators", ("recording", "engine", "scene", "seed", "randomised"), engines),
        _table("Terms", ("recording", "licence", "consent", "keep until", "note"), terms),
    ]
    return _section("origin", "1. Where did its data come from?", answer, facts, tables)


def _quarantined(bad: list[tuple[str, int]]) -> str:
    if not bad:
        return "no episode"
    return listing(f"{root}: every episode" if e < 0 else f"{root}/{e}" for root, e in bad)


def _labels(dossier: Dossier) -> Section:
    names = sorted({d.version.dataset for d in dossier.data})
    if not names:
        why = "No labels: no dataset version is recorded, so nothing can be said of how its data was labelled."
        return _section("labels", "2. How was it labelled?", "No labels are recorded.", [], [], (why,))
    answer = f"No labels are recorded for {listing(names)}."
    why = (
        "No labels: the records name no annotator, guideline, agreement or review for these recordings, and no share "
        "that a model assisted. What the model was fitted on are the recorded states and actions themselves."
    )
    return _section("labels", "2. How was it labelled?", answer, [], [], (why,))


def _versions(dossier: Dossier) -> Section:
    rows = [_version_row(number, data) for number, data in enumerate(dossier.data, start=1)]
    files = [
        Row(cells=(f.path, f"{f.size:,} B", f.sha256), source=documents.MODEL) for f in dossier.model.manifest.files
    ]
    contract = dossier.model.manifest.contract
    facts = [
        _fact("model manifest", dossier.model.digest_, documents.MODEL),
        _fact("runtime", f"{contract.runtime.name} {contract.runtime.version}", documents.MODEL),
        _fact("base model", _base(dossier), documents.MODEL),
    ]
    tables = [
        _table(
            "Dataset versions",
            ("dataset", "tag", "manifest", "lakeFS commit", "approved by", "episodes"),
            rows,
        ),
        _table("Files of the model", ("file", "size", "sha256"), files),
        *_runs(dossier),
    ]
    if dossier.training:
        run = dossier.training[0].run
        answer = (
            f"Model manifest {dossier.model.digest_}, fitted by run {run.start.name} of {run.by} on "
            f"{several(rows, 'immutable dataset version')}."
        )
    else:
        answer = f"Model manifest {dossier.model.digest_}. No training run is recorded for it."
    return _section("versions", "3. Which version was it?", answer, facts, tables)


def _version_row(number: int, data: Data) -> Row:
    approval = data.approval
    by = f"{approval.by}, {day(approval.at)}" if approval else "nobody"
    cells = (data.version.dataset, approval.tag if approval else "none", data.version.manifest_digest, data.commit, by)
    return Row(cells=(*cells, str(len(data.episodes))), source=data_file(number, "manifest.json"))


def _base(dossier: Dossier) -> str:
    base, converted = dossier.model.manifest.contract.base_model, dossier.model.manifest.converted_from
    if base is not None:
        return f"{base.name}, {base.digest_}, {base.licence}"
    return f"converted from {converted}" if converted else "none"


def _code(code: Code) -> str:
    """The commit, and what is kept of the work tree beyond it: git's difference leaves out what git does not know."""
    if not code.dirty or code.commit.startswith("none"):
        return code.commit
    if code.difference and code.difference_digest != sha256(code.difference.encode()):
        return f"{code.commit} and uncommitted changes, too many to be kept whole"
    if code.difference:
        return f"{code.commit} and uncommitted changes, kept with the run except for files unknown to git"
    return f"{code.commit}; the work tree held files unknown to git, and they are not kept"


def _runs(dossier: Dossier) -> list[Table]:
    tables = []
    for number, training in enumerate(dossier.training, start=1):
        run, source = training.run, run_file(number)
        code, opened = run.start.code, run.end.opened if run.end else ()
        said = [
            ("run", run.id),
            ("by", run.by),
            ("code", _code(code)),
            ("from", utc_text(run.started_at)),
            ("until", utc_text(run.ended_at) if run.ended_at else "not ended"),
            ("outcome", run.end.status if run.end else "not ended"),
            ("assurance", run.assurance),
            ("files seen opened", f"{len(opened):,}"),
        ]
        for item in run.inputs:
            if item.kind == "version":
                said.append(("input", f"{item.dataset} {item.tag}, {item.manifest_digest}"))
            else:
                said.append(("input", f"local folder, not an approved version: {item.path}"))
        rows = [Row(cells=cells, source=source) for cells in said]
        for times, again in enumerate(training.reproductions, start=1):
            found = f"{again.outcome}, signed by {again.signer}: {again.why}"
            rows.append(Row(cells=("reproduced", found), source=reproduction_file(number, times)))
        tables.append(_table(f"Training run {run.start.name}", ("what", "value"), rows))
    return tables


def _fact(name: str, value: str | float, source: str) -> Fact:
    return Fact(name=name, value=value, source=source)


def _table(title: str, columns: tuple[str, ...], rows: list[Row]) -> Table:
    return Table(title=title, columns=columns, rows=tuple(rows))


def _section(
    key: str, question: str, answer: str, facts: list[Fact], tables: list[Table], notes: tuple[str, ...] = ()
) -> Section:
    shown = tuple(t for t in tables if t.rows)
    return Section(key=key, question=question, answer=answer, facts=tuple(facts), tables=shown, notes=notes)
