"""A provenance report of a model for a class of devices, or of the model that a device says it runs.

Everything is read between two looks at the audit head that are the same, so the report is of one moment; the service
signs it with the report key. A blocked model has a report too, and that report says FAILED.
"""

from __future__ import annotations

import base64

from catalog.attest.envelope import EVIDENCE, REPORT
from catalog.db import records, tables
from catalog.domain.base import canonical
from catalog.domain.decision import Decision
from catalog.domain.model import Model
from catalog.domain.release import Release
from catalog.domain.report import (
    REPORT_HTML,
    REPORT_JSON,
    SUMMARY,
    Bundle,
    Report,
    ReportPredicate,
    ReportStatement,
    VsaPredicate,
    VsaReference,
    VsaStatement,
    VsaVerifier,
)
from catalog.domain.statement import Subject, SubjectDigest
from catalog.errors import Absent, Conflict, Invalid
from catalog.reports.documents import BINARY, documents, listed
from catalog.reports.dossier import Dossier
from catalog.reports.facts import report as facts
from catalog.reports.page import page
from catalog.services import device_records, release_records
from catalog.services.context import Context
from catalog.services.decide import judged
from catalog.services.dossier import dossier
from catalog.services.trust import signed

LOOKS = 5  # readings until the log holds still for one
NOTHING = "sha256:" + "0" * 64  # a decision without a policy names none


def report(
    context: Context, *, model: str | None = None, device_class: str | None = None, device: str | None = None
) -> Bundle:
    """The signed bundle: of a model and a class, or of a device."""
    if (device is None) == (model is None) or (model is None) != (device_class is None):
        raise Invalid("input-invalid", "a report is of a model and a class, or of a device", do="name one or the other")
    for _ in range(LOOKS):
        before = context.records.head()
        found = _read(context, model or "", device_class or "", device)
        if context.records.head() == before:
            return _bundle(context, found)
    raise Conflict("release-outdated", "the catalog kept changing while it was read", do="ask again")


def _read(context: Context, name: str, device_class: str, device: str | None) -> Dossier:
    release: Release | None
    if device is not None:
        release = _on(context, device)
        model = context.model(release.manifest.model)
    else:
        model = context.model(name)
        release = _released(context, model, device_class)
    if release is not None:
        decision = context.decision(release.manifest.decision)
    else:
        decision = _judged(context, model, device_class)
    return dossier(context, model, decision, release, device)


def _on(context: Context, device: str) -> Release:
    """The release that a device said last it may run."""
    device_records.device(context, device)
    with context.records.read() as c:
        newest = device_records.newest(c, device)
    if newest is None or newest.report.release is None:
        said = "has not reported" if newest is None else f"says that it may run nothing ({newest.report.event})"
        what = f"device {device} {said}, so no model is on it"
        raise Absent("release-unknown", what, do="report on a model: assay report MODEL --device-class CLASS")
    return release_records.release(context, newest.report.release)


def _released(context: Context, model: Model, device_class: str) -> Release | None:
    """The newest release of a model for a class: one that was allowed before one that is only proposed."""
    with context.records.read() as c:
        found = records.many(c, tables.release, Release, order="proposed_at", newest_first=True, model=model.digest_)
    found = [r for r in found if r.manifest.device_class == device_class]
    return max(found, key=lambda r: (r.allowed_at is not None, r.proposed_at), default=None)


def _judged(context: Context, model: Model, device_class: str) -> Decision:
    found = judged(context, model.digest_, device_class)
    if found is None:
        name = model.manifest.name
        what = f"nobody has judged {name} for class {device_class}"
        raise Absent("decision-unknown", what, do=f"assay gate {name} --device-class {device_class}")
    return found


def _bundle(context: Context, found: Dossier) -> Bundle:
    files = documents(found)
    said = facts(found, files)
    files |= {REPORT_JSON: said.canonical(), REPORT_HTML: page(said).encode()}
    files[SUMMARY] = canonical(signed(context, _summary(found, said), EVIDENCE).envelope)
    statement = ReportStatement(
        subject=(_subject(found),),
        predicate=ReportPredicate(
            home=said.home,
            environment=said.environment,
            as_of=said.as_of,
            audit_head=said.audit_head,
            epoch=said.epoch,
            device_class=said.device_class,
            decision=said.decision,
            policy=found.decision.policy,
            release=said.release,
            standing=said.standing,
            result=said.result,
            files=listed(files),
        ),
    )
    text = {name: content.decode() for name, content in files.items() if not name.endswith(BINARY)}
    binary = {name: base64.b64encode(b).decode() for name, b in files.items() if name.endswith(BINARY)}
    return Bundle(envelope=signed(context, statement, REPORT).envelope, files=text, binary=binary)


def _summary(found: Dossier, said: Report) -> VsaStatement:
    """The decision as a verification summary, for readers that know no Assay; it claims no SLSA level."""
    attested = tuple(
        VsaReference(uri=f"urn:assay:evidence:{_hex(digest)}", digest_=SubjectDigest(sha256=_hex(digest)))
        for digest in found.decision.evidence
    )
    policy = found.decision.policy or NOTHING
    return VsaStatement(
        subject=(_subject(found),),
        predicate=VsaPredicate(
            verifier=VsaVerifier(id=f"urn:assay:home:{said.home}"),
            time_verified=said.as_of,
            resource_uri=f"urn:assay:model:{_hex(found.model.digest_)}",
            policy=VsaReference(uri=f"urn:assay:policy:{_hex(policy)}", digest_=SubjectDigest(sha256=_hex(policy))),
            input_attestations=attested,
            result=said.result,
        ),
    )


def _subject(found: Dossier) -> Subject:
    return Subject.of_model(found.model.manifest.name, found.model.digest_)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
