"""A decision as a release engineer reads it: the verdict, what blocks, on which numbers, and whether it still holds."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain.decision import Decision, RuleVerdict
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.model import Model
from catalog.domain.policy import ActivePolicy
from catalog.domain.run import Run
from catalog.domain.views import ModelView, Status
from ui.viewmodels.text import listed, number, plain, ranges, short, value, values, when

FIRST, REASON = 3, 220  # reasons beside the verdict, and their characters; the rules have all of it
ORDER = ("fail", "missing", "pass")
BEFORE = {"fail": "Not so: ", "missing": "Not shown: "}  # a policy's message is a requirement, the floor's an answer
WHY = {"found": "reason", "inputs": "why_not", "ancestors": "why_not", "files": "why_not"}


@dataclass(frozen=True)
class RuleCard:
    """One rule, ready to show; `read` are (name, value), `documents` one table for each list of documents read."""

    rule: str
    verdict: str
    floor: bool
    message: str
    clause: str
    read: tuple[tuple[str, str], ...]
    documents: tuple[list[dict[str, str]], ...]


def cards(decision: Decision) -> tuple[list[RuleCard], list[RuleCard]]:
    """The rules that block and those that pass; in each the floor first, and a failure before what is missing."""
    blocking = sorted(decision.blocking(), key=_rank)
    passing = sorted((r for r in decision.rules if r.verdict == "pass"), key=lambda r: not r.floor)
    return [_card(r) for r in blocking], [_card(r) for r in passing]


def _card(rule: RuleVerdict) -> RuleCard:
    read = tuple(values(rule.read))
    documents = tuple([_row(d) for d in item] for _, item in sorted(rule.read.items()) if listed(item))
    return RuleCard(plain(rule.rule), rule.verdict, rule.floor, message(rule), plain(rule.clause), read, documents)


def _row(document: dict[str, Any]) -> dict[str, str]:
    """One document that a rule read; a quarantined episode by episode, recording, how, where, why."""
    if {"dataset", "root", "index"} <= document.keys():
        recording = f"{document['dataset']}/{document['root']}"
        rest = {k: v for k, v in document.items() if k not in ("dataset", "root", "index")}
        document = {"episode": document["index"], "recording": recording, **rest}
    ordered = sorted(document.items(), key=lambda pair: str(pair[1]).startswith("sha256:"))  # long, so last
    return {plain(name).replace("_", " "): value(item, name) for name, item in ordered}


def message(rule: RuleVerdict) -> str:
    """What a rule says; a policy's message is the requirement, so where it is not met, that is said first."""
    if rule.floor or rule.verdict == "pass":
        return plain(rule.message)
    requirement, _, found = rule.message.rpartition(" Not so: ")
    said = f"{requirement} Read: {found}" if requirement else rule.message
    return plain(BEFORE[rule.verdict] + said)


def figures(decision: Decision) -> list[dict[str, object]]:
    """Every measured value beside the threshold it was compared with, where a rule compares one with one."""
    rows: list[dict[str, object]] = []
    for rule in decision.rules:
        limits = {k: v for k, v in rule.read.items() if k.startswith("policy.")}
        facts = {k: v for k, v in rule.read.items() if k not in limits}
        if len(limits) == len(facts) == 1 and not rule.floor:
            (fact, found), (limit, threshold) = *facts.items(), *limits.items()
            rows.append(
                {
                    "verdict": [rule.verdict],
                    "rule": plain(rule.rule),
                    "measured": plain(fact),
                    "value": value(found, fact),
                    "threshold": value(threshold, limit),
                }
            )
    return rows


def headline(decision: Decision) -> str:
    """One sentence: how many rules stand in the way, and of which kind."""
    blocking = decision.blocking()
    if not blocking:
        return f"All {len(decision.rules)} rules pass, the floor among them."
    floor = sum(r.floor for r in blocking)
    failed = sum(r.verdict == "fail" for r in blocking)
    counts = (f"{failed} failed", f"{len(blocking) - failed} without evidence")
    kinds = " and ".join(c for c in counts if not c.startswith("0 "))
    below = f" {floor} of them in the floor, which nothing can lift." if floor else ""
    return f"{len(blocking)} of {len(decision.rules)} rules do not pass: {kinds}.{below}"


def reasons(decision: Decision) -> list[str]:
    """What to look at first: the rules that failed, floor first; where none failed, the first that is missing."""
    blocking = sorted(decision.blocking(), key=_rank)
    failed = [rule for rule in blocking if rule.verdict == "fail"]
    return [textwrap.shorten(_reason(rule), REASON, placeholder=" …") for rule in (failed or blocking[:1])[:FIRST]]


def _rank(rule: RuleVerdict) -> tuple[bool, int]:
    return not rule.floor, ORDER.index(rule.verdict)


def _reason(rule: RuleVerdict) -> str:
    """Why first, then what it is about: names may be long paths, and only the beginning is sure to be seen."""
    about: dict[str, list[dict[str, Any]]] = {}
    for name, key in WHY.items():
        for document in rule.read.get(name, ()) if rule.floor else ():
            why = document.get(key) or ("not approved" if document.get("approved") is False else "")
            if why:
                about.setdefault(why, []).append(document)
    if not about:
        return message(rule)
    said = "; ".join(f"{why}: {_named(documents)}" for why, documents in about.items())
    return plain(f"{rule.message.partition(':')[0]}: {said}")


def _named(documents: list[dict[str, Any]]) -> str:
    """Documents by name or path; quarantined episodes by recording, then where they were found."""
    if not all("index" in d for d in documents):
        return ", ".join(str(d.get("name") or d.get("path")) for d in documents)
    found: dict[tuple[str, str], list[int]] = {}
    for d in documents:
        found.setdefault((f"{d['dataset']}/{d['root']}", d["found_in"]), []).append(d["index"])
    return ", ".join(
        f"{recording} episode{'s' if len(n) > 1 else ''} {ranges(n)} in {place}"
        for (recording, place), n in found.items()
    )


def scope(decision: Decision) -> str:
    """For what the verdict was given, when, and until when."""
    hardware = f", hardware {decision.hardware}" if decision.hardware else ""
    return plain(
        f"{decision.subject_name} for class {decision.device_class} in environment {decision.environment}{hardware}"
        f" · decided {when(decision.at)}, holds until {when(decision.expires_at)}"
    )


def newest(view: ModelView, device_class: str) -> Decision | None:
    """The newest recorded decision for a class, None where there is none."""
    return next((d for d in view.decisions if d.device_class == device_class), None)


def classes(policies: list[ActivePolicy]) -> list[str]:
    """The device classes that have a policy in force; a class without one releases nothing."""
    found = {p.policy.device_class for p in policies if p.policy.decides == "promotion"}
    return sorted(c for c in found if c is not None)


def model_names(models: list[Model]) -> dict[str, str]:
    """Digest to name, newest first; where a name was registered again, the digest tells them apart."""
    ordered = sorted(models, key=lambda m: m.registered_at, reverse=True)
    names = [m.manifest.name for m in ordered]
    return {
        m.digest_: m.manifest.name if names.count(m.manifest.name) == 1 else f"{m.manifest.name} {short(m.digest_)}"
        for m in ordered
    }


def caveats(decision: Decision, status: Status, now: datetime) -> list[str]:
    """Why the recorded decision may no longer stand; each says what to do."""
    found = []
    if now >= decision.expires_at:
        found.append(f"This decision expired at {when(decision.expires_at)}. Judge again.")
    if decision.epoch != status.epoch:
        found.append(
            f"Something was quarantined, revoked or changed since: governance epoch {status.epoch}, "
            f"decided at {decision.epoch}. Judge again."
        )
    if status.clock_back:
        found.append("The clock of the service was set back, so ages and expiry prove nothing. Set it right.")
    return found


def history_rows(view: ModelView, device_class: str) -> list[dict[str, object]]:
    """Every recorded decision for the class, newest first."""
    return [
        {
            "verdict": [d.verdict],
            "decided": d.at,
            "holds until": d.expires_at,
            "blocking": ", ".join(plain(r.rule) for r in d.blocking()) or "nothing",
            "policy": plain(d.policy_name),
            "epoch": d.epoch,
            "decision": d.digest(),
        }
        for d in view.decisions
        if d.device_class == device_class
    ]


def evidence_read(view: ModelView, decision: Decision) -> list[tuple[Evidence, Plan | None]]:
    """The evidence that the decision read, each with the plan it answers."""
    plans = {p.digest(): p for p in view.plans}
    return [(e, plans.get(e.plan)) for e in view.evidence if e.digest_ in decision.evidence]


def evidence_lines(evidence: Evidence) -> list[tuple[str, str]]:
    """What was tried, where, by whom; the counts are of the table, not of a claim."""
    said = evidence.statement.predicate
    host, trials = said.host, said.trials
    won = sum(t.outcome == "success" and not t.assisted for t in trials)
    lines = [
        ("origin", f"{said.harness.origin}, by {said.harness.name} {said.harness.version}"),
        ("trials", f"{won} successes of {len(trials)}; {sum(t.assisted for t in trials)} assisted"),
        ("judge", ", ".join(sorted({t.judge for t in trials})) or "none"),
    ]
    for load in ("idle", "loaded"):
        times = [ms for block in said.latency if block.load == load for ms in block.milliseconds]
        if times:
            blocks = sum(block.load == load for block in said.latency)
            lines.append(
                (
                    f"latency {load}",
                    f"{len(times):,} steps in {blocks} blocks, longest {number(round(max(times), 3))} ms",
                )
            )
    lines += [
        ("host", f"{host.name}: {host.processor}, {host.cores} cores, {host.system}"),
        ("load", f"{number(round(host.load_idle, 3))} idle, {number(round(host.load_loaded, 3))} loaded"),
        ("pacing", host.pacing or "not stated"),
        ("ran", f"{when(said.started_at)} to {when(said.finished_at)}"),
        ("signed", f"{evidence.signer}, key {evidence.keyid}"),
        ("received", f"{when(evidence.received_at)}, counts until {when(evidence.expires_at)}"),
        ("replayed", "no trial was replayed" if evidence.replayed is None else f"{evidence.replayed} trials"),
    ]
    return [(label, plain(text)) for label, text in lines]


def plan_lines(plan: Plan) -> list[tuple[str, str]]:
    """What was promised before the first trial."""
    p = plan.protocol
    lines = [
        ("plan", plan.id),
        ("recorded", f"{when(plan.at)} by {plan.by}, before the first trial"),
        ("attempt", f"{plan.k} of line {plan.line}, may use {number(plan.alpha)} of the error budget"),
        ("protocol", f"{p.name} {p.version}, {p.n:,} trials"),
        ("sampled", ", ".join(p.sampled)),
        ("fixed", ", ".join(p.fixed) or "nothing"),
        ("slices", ", ".join(p.slices)),
        ("latency", f"{p.latency_blocks} blocks of {p.latency_block_steps} steps, idle and loaded"),
        ("thresholds", ", ".join(f"{k} {number(v)}" for k, v in sorted(plan.thresholds.items()))),
    ]
    return [(label, plain(text)) for label, text in lines if text]


def run_lines(run: Run) -> list[tuple[str, str]]:
    """How the model was fitted, as far as it is on record."""
    code = run.start.code
    lines = [
        ("run", f"{run.id} by {run.by}, {run.assurance}"),
        ("started", when(run.started_at)),
        ("code", f"{code.commit}{', with a recorded difference' if code.dirty else ''}"),
    ]
    lines += [
        (
            "input",
            f"{i.dataset} {i.tag}, manifest {i.manifest_digest}"
            if i.kind == "version"
            else f"local folder {i.path}, {len(i.fingerprints)} episodes, no approved version",
        )
        for i in run.inputs
    ]
    if run.end is not None:
        lines.append(("opened", f"{len(run.end.opened)} files, {run.end.status}"))
    return [(label, plain(text)) for label, text in lines]


def digest_lines(decision: Decision) -> list[tuple[str, str]]:
    """Everything the decision is about, exactly; this is what an approver signs."""
    return [
        ("decision", decision.digest()),
        ("model manifest", decision.subject),
        *(("data manifest", d) for d in decision.data),
        *(("evidence", e) for e in decision.evidence),
        ("policy", f"{decision.policy or 'none'}  {plain(decision.policy_name)}"),
        ("training run", plain(decision.run or "none recorded")),
        ("governance epoch", str(decision.epoch)),
        ("audit head", f"{decision.audit_head.size} entries, {decision.audit_head.root}"),
        ("assurance", decision.assurance),
    ]
