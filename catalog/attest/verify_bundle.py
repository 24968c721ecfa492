"""Verify a report offline: every document again, down to the manifests, under keys that come from the trust root alone.

Only an allowed release verifies as a permission. No key is taken from the bundle, no number without counting it again,
and no document that the signed list does not name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from catalog.attest import verify_data, verify_evidence, verify_release
from catalog.attest.bundle import Opened, open_bundle, untrusted
from catalog.attest.case import Case, Line, Log
from catalog.attest.envelope import EVIDENCE, HEAD, REPORT, TRUST, unverified, verify
from catalog.attest.keys import keyid
from catalog.domain.base import strict_json, utc_text
from catalog.domain.decision import MODEL_FLOOR, Decision, RuleVerdict, verdict_of
from catalog.domain.model import ModelManifest
from catalog.domain.policy import Policy
from catalog.domain.report import (
    REPORT_HTML,
    REPORT_JSON,
    SAID,
    SUMMARY,
    AuditProofs,
    CatalogState,
    Report,
    Standing,
    VsaStatement,
    result_of,
)
from catalog.domain.trust import LogHead, TrustRoot
from catalog.errors import AssayError, Invalid, Refused

Outcome = Literal["permission", "failed", "integrity-only", "superseded"]
WORSE: tuple[Standing, ...] = ("denied", "lapsed", "not-approved", "blocked")


@dataclass(frozen=True)
class Established:
    """What was shown, line by line, and what it comes to; the bundle's own page; the rules of a decision that was."""

    outcome: Outcome
    lines: tuple[Line, ...]
    page: bytes
    rules: tuple[RuleVerdict, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def verify_bundle(data: bytes, trust: bytes | None = None, head: bytes | None = None) -> Established:
    """Establish what a bundle shows. Raises `report-invalid`, `report-damaged`, `report-untrusted`, `trust-invalid`.

    Without a trust root the outcome is `integrity-only`; with a newer signed head it may be `superseded`.
    """
    opened = open_bundle(data)
    lines = [
        Line("integrity", f"{len(opened.files)} files: names, sizes and digests are those of the report's own list")
    ]
    if trust is None:
        if head is not None:
            raise Invalid("trust-invalid", "a head is checked with a trust root", do="give --trust-root as well")
        lines.append(Line("signer", "not checked: without a trust root nobody knows whose list this is"))
        return Established("integrity-only", tuple(lines), opened.bytes_of(REPORT_HTML), facts=_facts(opened, None))
    root = read_trust(trust)
    with _untrusted():
        case = _case(opened, root, lines)
        standing = _established(case)
    case.say(
        "as of",
        f"{utc_text(case.claims.as_of)}, audit head {case.claims.audit_head.size}:{case.claims.audit_head.root}",
    )
    outcome: Outcome = "permission" if standing == "allowed" else "failed"
    if head is None:
        case.say("since then", f"revoked after {utc_text(case.claims.as_of)}: not known")
    elif _withdrawn(case, root, head):
        outcome = "superseded"
    page = opened.bytes_of(REPORT_HTML)
    return Established(outcome, tuple(case.lines), page, case.known.rules, _facts(opened, standing))


def read_trust(data: bytes) -> TrustRoot:
    """A trust root, consistent in itself: signed by a report key that it lists, no key twice, ids as keys have them."""
    try:
        envelope = strict_json(data, "trust root")
        root = TrustRoot.parse(unverified(envelope, TRUST))
        verify(envelope, TRUST, root.keys, role="report", at=root.issued_at)
    except AssayError as error:
        raise Invalid(
            "trust-invalid", f"not a trust root: {error.what}", do="get it again, from who runs it"
        ) from error
    material = {key.public for key in root.keys}
    if len(material) != len(root.keys) or any(keyid(key.public) != key.keyid for key in root.keys):
        raise Invalid("trust-invalid", "the trust root has one key twice, or under another's id", do="do not use it")
    return root


@contextmanager
def _untrusted() -> Iterator[None]:
    """Whatever a signature, a key or a document fails by, the report is not to be trusted."""
    try:
        yield
    except (Refused, Invalid) as error:
        if error.kind == "report-untrusted":
            raise
        raise untrusted(error.what, error.where) from error


def _case(opened: Opened, root: TrustRoot, lines: list[Line]) -> Case:
    """The list and the summary are the home's own: signed by the report key that the trust root names."""
    claims = opened.statement.predicate
    if (claims.home, claims.environment) != (root.home, root.environment):
        raise untrusted("the report is of another home or environment than the trust root", "home")
    signer = verify(opened.envelope, REPORT, root.keys, role="report", at=claims.as_of).keys
    case = Case(opened, root, lines, signers=signer)
    case.say("signer", f"{signer[0].principal}, key {signer[0].keyid[:16]}…, the trust root's report key")
    return case


def _established(case: Case) -> Standing:
    model = _subject(case)
    decision = _decision(case, model)
    case.decision = decision
    proofs = case.opened.document("audit.json", AuditProofs)
    case.log = _log(case, proofs, decision)
    verify_data.check(case, model)
    verify_evidence.check(case)
    standing = _standing(case, verify_release.check(case, model))
    _summary(case)
    _renderings(case)
    return standing


def _subject(case: Case) -> ModelManifest:
    model = case.opened.document("model.json", ModelManifest)
    if model.digest() != case.model:
        raise untrusted("the report is about another model than the manifest in it", "model.json")
    case.say("subject", f"model {model.name}, {case.model}")
    return model


def _decision(case: Case, model: ModelManifest) -> Decision:
    claims = case.claims
    decision = case.opened.document("decision.json", Decision)
    about = (decision.digest(), decision.subject, decision.device_class, decision.environment, decision.policy)
    if about != (claims.decision, model.digest(), claims.device_class, claims.environment, claims.policy):
        raise untrusted("the decision is another than the report names, or about something else", "decision.json")
    if decision.decides != "promotion" or verdict_of(decision.rules) != decision.verdict:
        raise untrusted("the decision's verdict does not follow from its rules", "decision.json")
    names = [rule.rule for rule in decision.rules]
    if len(set(names)) != len(names) or {r.rule for r in decision.rules if r.floor} != MODEL_FLOOR:
        raise untrusted("the decision does not answer every rule of the floor once", "decision.json")
    if decision.policy is not None:
        policy = case.opened.document("policy.json", Policy)
        asked, answered = {r.name for r in policy.rules}, {r.rule for r in decision.rules if not r.floor}
        if policy.digest() != decision.policy or asked != answered or policy.device_class != decision.device_class:
            raise untrusted("the decision does not answer the rules of its policy", "policy.json")
        case.say("policy", f"{policy.name} version {policy.version}, {decision.policy}")
    elif decision.verdict == "eligible":
        raise untrusted("a decision without a policy permits nothing", "decision.json")
    passed = sum(r.verdict == "pass" for r in decision.rules)
    case.say(
        "decision",
        f"{decision.verdict} for {decision.device_class} in {decision.environment}: {passed} of {len(decision.rules)} "
        f"rules pass, {decision.digest()}",
    )
    for rule in decision.blocking()[:3]:
        case.say("because", f"{rule.rule}: {rule.message[:300]}")
    return decision


def _log(case: Case, proofs: AuditProofs, decision: Decision) -> Log:
    head = case.claims.audit_head
    if bad := [i.entry.seq for i in proofs.inclusions if not i.holds(head)]:
        raise untrusted(f"audit entry {bad[0]} is not in the log of the report's head", "audit.json")
    if proofs.consistency.since != decision.audit_head or not proofs.consistency.holds(head):
        raise untrusted("the report's log does not continue the one that the decision names", "audit.json")
    log = Log(tuple(i.entry for i in proofs.inclusions))
    log.one("promotion.judged", case.model, decision=decision.digest(), verdict=decision.verdict)
    case.say("audit", f"{len(proofs.inclusions)} entries are in the log of the head, which continues the decision's")
    return log


def _standing(case: Case, approved: bool) -> Standing:
    """Derived from the documents; the signer may say worse, never better."""
    state = case.opened.document("state.json", CatalogState)
    found: Standing = "allowed" if approved else "not-approved"
    if case.known.verdict != "eligible":
        found = "blocked"
    if state.denials:
        found = "denied"
    said = case.claims.standing
    if said != found and (said not in WORSE or found != "allowed"):
        raise untrusted(f"the report says {said}, and its documents say {found}", "state.json")
    if case.claims.result != result_of(said):
        raise untrusted(f"the report says {case.claims.result} of what is {said}", "predicate")
    for denial in state.denials[:3]:
        case.say("withdrawn", f"at {utc_text(denial.at)} because {denial.reason[:300]}")
    case.say("standing", SAID[said])
    return said


def _summary(case: Case) -> None:
    verified = verify(case.opened.bytes_of(SUMMARY), EVIDENCE, case.root.keys, role="report", at=case.claims.as_of)
    summary = VsaStatement.parse(verified.payload)
    said = summary.predicate
    if summary.model != case.model or said.result != case.claims.result:
        raise untrusted("the verification summary says something else than the report", SUMMARY)
    case.say("summary", f"verification summary v1: {said.result}, no SLSA level claimed")


def _renderings(case: Case) -> None:
    """The facts as people and programs read them are of this decision, and list these documents."""
    report, claims = case.opened.document(REPORT_JSON, Report), case.claims
    ours = (report.decision, report.standing, report.result, report.model, report.as_of, report.audit_head)
    theirs = (claims.decision, claims.standing, claims.result, case.model, claims.as_of, claims.audit_head)
    documents = tuple(f for f in claims.files if f.name not in (REPORT_JSON, REPORT_HTML, SUMMARY))
    if ours != theirs or report.documents != documents or report.release != claims.release:
        raise untrusted("the readable report is of something else", REPORT_JSON)
    case.opened.bytes_of(REPORT_HTML)


def _withdrawn(case: Case, root: TrustRoot, data: bytes) -> bool:
    """Whether a newer head denies the release, or any release of the model."""
    head = read_head(data, root)
    claims = case.claims
    if head.at < claims.as_of or head.head.size < claims.audit_head.size:
        what = f"the head of {utc_text(head.at)} is older than the report: it cannot say what came after"
        raise Invalid("trust-invalid", what, do="ask for a newer head: assay audit head --out FILE")
    grown = head.consistency
    if head.head.size == claims.audit_head.size and head.head != claims.audit_head:
        raise untrusted("the head is of another log than the report", "head")
    if grown is not None and grown.since.size == claims.audit_head.size and grown.since != claims.audit_head:
        raise untrusted("the head continues another log than the report's: one of them was rewritten", "head")
    if grown is not None and grown.since == claims.audit_head:
        case.say("head", f"{head.head.size} entries at {utc_text(head.at)}, and they continue the report's log")
    elif head.head != claims.audit_head:
        since = claims.audit_head.size
        case.say("head", f"that it continues the report's log: not shown (export it with --since {since})")
    reached = [d for d in head.denials if d.release == claims.release or d.model == case.model]
    if reached:
        first = min(reached, key=lambda d: d.at)
        case.say("since then", f"superseded: withdrawn at {utc_text(first.at)} because {first.reason[:300]}")
        return True
    case.say("since then", f"not withdrawn as of {utc_text(head.at)}")
    return False


def read_head(data: bytes, root: TrustRoot) -> LogHead:
    """A head of the same home, by its report key; a proof in it must hold."""
    try:
        envelope = strict_json(data, "head")
        head = LogHead.parse(unverified(envelope, HEAD))
    except AssayError as error:
        raise Invalid(
            "trust-invalid", f"not a signed head: {error.what}", do="get it again, from who runs it"
        ) from error
    with _untrusted():
        verify(envelope, HEAD, root.keys, role="report", at=head.at)
    if (head.home, head.environment) != (root.home, root.environment):
        raise untrusted("the head is of another home or environment than the trust root", "head")
    if head.consistency is not None and not head.consistency.holds(head.head):
        raise untrusted("the proof in the head does not hold: the log was rewritten", "head")
    return head


def _facts(opened: Opened, standing: Standing | None) -> dict[str, Any]:
    claims = opened.statement.predicate
    return {
        "model": opened.statement.model,
        "device_class": claims.device_class,
        "environment": claims.environment,
        "release": claims.release,
        "decision": claims.decision,
        "standing": standing,
        "as_of": utc_text(claims.as_of),
        "audit_head": claims.audit_head.document(),
    }
