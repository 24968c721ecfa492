"""Why a model was allowed, or was not: the decision and what each rule read, the trials counted again, who signed; then
the conditions of the claim, and what nobody knows.
"""

from __future__ import annotations

from catalog.domain.base import utc_text
from catalog.domain.decision import RuleVerdict
from catalog.domain.report import SAID, Fact, Row, Section, Table
from catalog.domain.tally import tally
from catalog.reports import documents
from catalog.reports.documents import approval_file, evidence_file
from catalog.reports.dossier import Dossier, Proof
from catalog.reports.words import counted, day, number, read

QUESTION = "4. Why was it allowed to the edge?"


def allowed(dossier: Dossier) -> Section:
    """The decision, rule by rule; the evidence; the approvers; the release."""
    standing, decision = dossier.standing, dossier.decision
    answer = f"It is {SAID[standing]}."
    if standing == "allowed":
        answer += f" {_because(dossier)}"
    if standing == "lapsed":
        answer += f" Why: {dossier.not_today[:1000]}."
    if standing == "denied":
        answer += f" Why: {dossier.denials[0].reason[:1000]} (at {day(dossier.denials[0].at)})."
    if standing == "blocked":
        rule = decision.blocking()[0]
        answer += f" First among the reasons: {rule.rule}: {rule.message[:1000]}"
    policy = dossier.policy
    said = f"{policy.name} version {policy.version}, {decision.policy}" if policy else "none: nothing may be released"
    facts = [
        Fact(name="decision", value=decision.digest(), source=documents.DECISION),
        Fact(name="verdict", value=decision.verdict, source=documents.DECISION),
        Fact(name="judged at", value=utc_text(decision.at), source=documents.DECISION),
        Fact(name="device class", value=dossier.device_class, source=documents.DECISION),
        Fact(name="environment", value=decision.environment, source=documents.DECISION),
        Fact(name="hardware", value=decision.hardware or "not named", source=documents.DECISION),
        Fact(name="policy", value=said, source=documents.POLICY if policy else documents.DECISION),
    ]
    facts += _release(dossier)
    if dossier.release is not None:
        facts.append(Fact(name="how to go back", value=_back(dossier)))
    tables = (
        _evidence(dossier),
        Table(title="Rules of the policy", columns=("verdict", "rule", "what it says", "values read"), rows=_rules(
            [r for r in decision.rules if not r.floor])),
        Table(title="Floor: what no policy can lift", columns=("verdict", "rule", "what it says", "values read"),
              rows=_rules([r for r in decision.rules if r.floor])),
        _approvers(dossier),
        _audit(dossier),
    )  # fmt: skip
    shown = tuple(t for t in tables if t.rows)
    return Section(key="allowed", question=QUESTION, answer=answer, facts=tuple(facts), tables=shown)


def _because(dossier: Dossier) -> str:
    """In a breath: what was shown, what was asked, who signed."""
    said = [f"Every one of {counted(len(dossier.decision.rules), 'rule')} passes."]
    for proof in dossier.proofs:
        count, plan = tally(proof.plan, proof.evidence.statement.predicate.trials), proof.plan.plan
        origin = proof.evidence.statement.predicate.harness.origin
        said.append(f"{count.successes:,} of {count.n:,} {origin} trials succeeded, planned before the first of them")
        bound, asked = _bound(dossier), plan.thresholds.get("success_lower_ratio")
        if bound is not None and asked is not None:
            sure = number(1 - plan.alpha)
            said[-1] += f", so the rate is at least {number(bound)} with confidence {sure}; asked was {number(asked)}"
        said[-1] += "."
    people = " and ".join(sorted(s.principal for s in dossier.signatures))
    said.append(f"{people} signed exactly this decision and the release that rests on it.")
    return " ".join(said)


def _bound(dossier: Dossier) -> float | None:
    found = next((r.read["success.lower"] for r in dossier.decision.rules if "success.lower" in r.read), None)
    return float(found) if isinstance(found, int | float) else None


def _back(dossier: Dossier) -> str:
    command = f"assay rollback --device-class {dossier.device_class}, by one person"
    if not dossier.fallbacks:
        return f"{command}; no other release of this class is allowed, so the answer would be: no release allowed"
    found = ", ".join(f"release {r.manifest.number} ({r.manifest.model_name})" for r in dossier.fallbacks[:3])
    return f"{command}, to {found}, as far as the floor of that day allows it"


def conditions(dossier: Dossier) -> Section:
    """What was signed with the decision, in its own words."""
    return Section(
        key="conditions",
        question="What is the claim conditional on?",
        answer="These sentences are part of the decision that was signed. The claim holds under them and no further.",
        facts=(Fact(name="from", value=dossier.decision.digest(), source=documents.DECISION),),
        notes=dossier.decision.conditions,
    )


def unknown(dossier: Dossier) -> Section:
    """What this report does not say, and nobody should read into it."""
    after = utc_text(dossier.as_of)
    said = [
        f"Revoked after {after}: not known. Ask for a newer signed head and check this bundle with it.",
        "How the recordings were labelled: nothing is recorded.",
        "Whether a recording was made on the robot that it names: no device signed it, so its origin is unverified.",
        "Who stands behind a name: principals are local, and one person may hold every key.",
        "What a training process opened by native code, by itself: observation sees what Python opens.",
        "Whether the host of the trials is like the device: its facts are recorded, and not matched with a class.",
        "No SLSA level is claimed. This is no conformity assessment.",
    ]
    if any(proof.replay is None or proof.replay.state != "done" for proof in dossier.proofs):
        said.append("Whether the trials would come out again: no replay is on record for some of the evidence.")
    if dossier.training and not any(t.reproductions for t in dossier.training):
        said.append("Whether the training gives this model again: no reproduction is on record.")
    if dossier.later:
        verdicts = ", ".join(f"{d.verdict} at {day(d.at)}" for d in dossier.later[:3])
        said.append(f"The model was judged again after this decision ({verdicts}); those decisions are not in here.")
    return Section(
        key="unknown",
        question="What is not known?",
        answer="A report is as good as what it leaves open.",
        notes=tuple(said),
    )


def _release(dossier: Dossier) -> list[Fact]:
    release = dossier.release
    if release is None:
        return [Fact(name="release", value="none: it was never proposed for release", source="")]
    m = release.manifest
    found = [
        Fact(name="release", value=f"{m.number} of class {m.device_class}, {m.id}", source=documents.RELEASE),
        Fact(name="lease", value=f"{counted(m.lease_hours, 'hour')} at a time", source=documents.RELEASE),
    ]
    if release.allowed_at is not None:
        value = f"{utc_text(release.allowed_at)} by {release.allowed_by}"
        found.append(Fact(name="allowed at", value=value, source=documents.SIGNATURES))
    for denial in dossier.denials:
        said = f"{denial.reason} (by {denial.by}, {utc_text(denial.at)}, release {denial.release})"
        found.append(Fact(name="withdrawn", value=said, source=documents.STATE))
    return found


def _evidence(dossier: Dossier) -> Table:
    rows = [row for n, proof in enumerate(dossier.proofs, start=1) for row in _one_evidence(n, proof, dossier)]
    return Table(title="Evidence, counted again", columns=("what", "value"), rows=tuple(rows))


def _one_evidence(at: int, proof: Proof, dossier: Dossier) -> list[Row]:
    trials, plan = proof.evidence.statement.predicate, proof.plan.plan
    count = tally(proof.plan, trials.trials)
    host = trials.host
    steps = {load: sum(len(b.milliseconds) for b in trials.latency if b.load == load) for load in ("idle", "loaded")}
    planned, table = evidence_file(at, "plan.json"), evidence_file(at, "envelope.json")
    said: list[tuple[str, str, str]] = [
        ("planned", f"{counted(count.n, 'trial')}, attempt {plan.k} of line {plan.line}, {utc_text(plan.at)}", planned),
        ("trials returned", number(count.returned), table),
        ("successes", f"{count.successes:,} of {count.n:,}", table),
        ("repeated, assisted", f"{count.repeated:,}, {count.assisted:,}", table),
        ("error this attempt may use", number(plan.alpha), planned),
        ("origin", f"{trials.harness.origin}, {trials.harness.name} {trials.harness.version}", table),
        ("host", f"{host.name}, {host.processor}, {host.system}", table),
        ("from, until", f"{utc_text(trials.started_at)}, {utc_text(trials.finished_at)}", table),
        ("signed by", f"{proof.evidence.signer}, key {proof.evidence.keyid[:16]}…", table),
    ]
    if (bound := _bound(dossier)) is not None:
        rate = f"at least {number(bound)} with confidence {number(1 - plan.alpha)} (one-sided Clopper–Pearson)"
        said.insert(3, ("success rate", rate, documents.DECISION))
    said += [(f"latency, {load}", f"{counted(n, 'step')}", table) for load, n in steps.items() if n]
    if (replay := proof.replay) is not None:
        value = (
            f"{replay.replayed:,} of {counted(replay.returned, 'trial')} run again by the catalog, drawn after receipt"
        )
        value += f"; {counted(replay.differing, 'outcome')} differed ({replay.state})"
        said.append(("replayed", value, evidence_file(at, "replay.json")))
    return [Row(cells=(what, value), source=source) for what, value, source in said]


def _rules(rules: list[RuleVerdict]) -> tuple[Row, ...]:
    """What blocks first."""
    rules = sorted(rules, key=lambda r: r.verdict == "pass")
    return tuple(Row(cells=(r.verdict, r.rule, r.message, read(r.read)), source=documents.DECISION) for r in rules)


def _approvers(dossier: Dossier) -> Table:
    rows = [
        Row(cells=(s.principal, s.keyid, utc_text(s.at)), source=approval_file(number))
        for number, s in enumerate(dossier.signatures, start=1)
    ]
    return Table(title="Approvers, each with a key of their own", columns=("who", "key", "at"), rows=tuple(rows))


def _audit(dossier: Dossier) -> Table:
    rows = [
        Row(cells=(str(i.entry.seq), utc_text(i.entry.at), i.entry.actor, i.entry.action, i.entry.subject),
            source=documents.AUDIT)
        for i in dossier.inclusions
    ]  # fmt: skip
    columns = ("entry", "at", "who", "what", "about")
    return Table(title="In the audit log", columns=columns, rows=tuple(rows))
