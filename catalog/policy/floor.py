"""The floor: what no policy can lower and no override can lift. Pure, over facts that the catalog established itself.

A fact that nobody established is None and its rule is missing; a search that looked at nothing found nothing out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from catalog.domain.base import utc_text
from catalog.domain.decision import RuleVerdict
from catalog.domain.policy import Verdict
from catalog.domain.run import ASSURANCES
from catalog.policy.floor_facts import (
    Clock,
    DatasetFloor,
    DigestCheck,
    EvidenceState,
    FileState,
    MainState,
    ModelFloor,
    OverlapSearch,
    QuarantineSearch,
    RecallSearch,
)

CLOCK_BACK = timedelta(minutes=5)
LOCAL_ENVIRONMENTS = ("demo", "dev")
NAMED = 5  # how many of a list a message names; `read` has them all


Answer = tuple[Verdict, str, dict[str, Any]]
Check = tuple[str, str, Answer]


def model_floor(facts: ModelFloor) -> tuple[RuleVerdict, ...]:
    """The floor's verdicts on a model, in the order a reader asks."""
    return _verdicts(
        ("training-record", "a run record", _training_record(facts)),
        ("run-assurance", "a run record at the class's assurance", _run_assurance(facts)),
        ("inputs-approved", "inputs approved and unrevoked", _inputs(facts)),
        (
            "no-quarantined-input",
            "revoked content blocks under any name",
            _quarantine(facts.quarantine, "training data"),
        ),
        ("not-recalled", "unrevoked, with all it was made from and rests on", _recalled(facts.recalled)),
        ("ancestry", "inputs with their whole ancestry", _ancestry(facts)),
        ("digests-verified", "every digest verified", _digests(facts.digests, "file of the model")),
        ("safe-format", "nothing that executes code on load", _safe_format(facts.files)),
        ("evidence-enrolled", "evidence from enrolled sources, unexpired", _evidence(facts)),
        ("known-overlap", "known overlap of training and evaluation absent", _overlap(facts.overlap)),
        ("environment", "the class's environment", _environment(facts)),
        ("policy-active", "a class without a policy releases nothing", _policy(facts, f"class {facts.device_class}")),
        ("clock", "a clock set back proves nothing", _clock(facts.clock)),
    )


def dataset_floor(facts: DatasetFloor) -> tuple[RuleVerdict, ...]:
    """The floor's verdicts on a candidate version."""
    return _verdicts(
        ("checked-this-commit", "what was judged is what goes in", _checked(facts)),
        ("bytes-verified", "every digest verified", _digests(facts.bytes_, "object of the version")),
        ("listing-complete", "nothing extra, missing or double", _listing(facts.listing_faults)),
        ("on-main-head", "judged against main's head", _main(facts.main)),
        ("no-quarantined-episode", "revoked content blocks under any name", _quarantine(facts.quarantine, "version")),
        ("not-recalled", "unrevoked, with all it was made from", _recalled(facts.recalled)),
        ("sources-and-terms", "where it came from, under which terms", _sources(facts)),
        ("parents-known", "parents are known", _parents(facts.parents_unknown)),
        ("environment", "the policy's environment", _environment(facts)),
        ("policy-active", "without a policy nothing is approved", _policy(facts, "dataset approval")),
        ("clock", "a clock set back proves nothing", _clock(facts.clock)),
    )


def _verdicts(*checks: Check) -> tuple[RuleVerdict, ...]:
    return tuple(
        RuleVerdict(
            rule=rule, verdict=verdict, message=message[:4000], clause=f"floor: {clause}", floor=True, read=read
        )
        for rule, clause, (verdict, message, read) in checks
    )


def _unknown(what: str) -> Answer:
    return "missing", what, {}


def _names(items: Sequence[str]) -> str:
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return "; ".join(items[:NAMED]) + more


def _training_record(facts: ModelFloor) -> Answer:
    if facts.run is None:
        return _unknown("No training record: nobody recorded which data and code this model was fitted with.")
    read = {"run": facts.run, "finished": facts.run_finished}
    if facts.run_finished is None:
        return "missing", f"Training run {facts.run} has not ended.", read
    if not facts.run_finished:
        return "fail", f"Training run {facts.run} failed, so its model is not what was meant.", read
    return "pass", f"Training run {facts.run} is on record.", read


def _run_assurance(facts: ModelFloor) -> Answer:
    if facts.run is None or facts.assurance is None:
        return _unknown("No training record, so nothing assures how this model was fitted.")
    if facts.assurance_required is None:
        return _unknown("No policy says which assurance the training record needs.")
    read: dict[str, Any] = {"assurance": facts.assurance, "required": facts.assurance_required}
    enough = ASSURANCES.index(facts.assurance) >= ASSURANCES.index(facts.assurance_required)
    message = f"The training run is {facts.assurance}; this class needs at least {facts.assurance_required}."
    if facts.assurance_why:
        read["why"] = facts.assurance_why
        message = f"{message} {facts.assurance_why}."
    return ("pass" if enough else "fail"), message, read


def _inputs(facts: ModelFloor) -> Answer:
    if facts.run is None or facts.inputs is None:
        return _unknown("No training record, so it is not known what this model was fitted on.")
    if not facts.inputs:
        return _unknown(f"Training run {facts.run} records no input.")
    read = {"inputs": [i.document() for i in facts.inputs]}
    if bad := [f"{i.name} ({i.kind}): {i.why_not or 'not approved'}" for i in facts.inputs if not i.approved]:
        return "fail", f"Not approved: {_names(bad)}.", read
    return "pass", f"Every input is approved: {len(facts.inputs)}.", read


def _quarantine(search: QuarantineSearch | None, what: str) -> Answer:
    if search is None or (search.episodes == 0 and not search.found):
        return _unknown(f"The {what} could not be searched for quarantined episodes.")
    read = {"episodes": search.episodes, "found": [e.document() for e in search.found]}
    if search.found:
        return "fail", f"Quarantined content in the {what}: {_names(_by_recording(search))}.", read
    return "pass", f"None of {search.episodes} episodes is quarantined.", read


def _by_recording(search: QuarantineSearch) -> list[str]:
    """One phrase for each recording and place that quarantined episodes were found in; `read` has every episode."""
    grouped: dict[tuple[str, str, str], dict[int, str]] = {}
    for e in search.found:
        grouped.setdefault((f"{e.dataset}/{e.root}", e.found_in, e.reason), {}).setdefault(e.index, e.found_by)
    said = []
    for (recording, place, reason), episodes in sorted(grouped.items()):
        first = ", ".join(str(i) for i in sorted(episodes)[:NAMED])
        more = f" and {len(episodes) - NAMED} more" if len(episodes) > NAMED else ""
        found_by = " and ".join(sorted(set(episodes.values())))
        plural = "" if len(episodes) == 1 else "s"
        said.append(f"{recording} episode{plural} {first}{more} in {place}, by {found_by} ({reason})")
    return said


def _recalled(search: RecallSearch | None) -> Answer:
    if search is None or (search.nodes == 0 and not search.found):
        return _unknown("What was recalled could not be searched.")
    read = {"recalled": [n.document() for n in search.found]}
    if search.found:
        said = [f"{n.name}, by the recall of {n.what} ({n.reason}; recall {n.recall})" for n in search.found]
        return "fail", f"Recalled: {_names(said)}.", read
    return "pass", "No recall reached it, nor anything that it was made from or rests on.", read


def _ancestry(facts: ModelFloor) -> Answer:
    walk = facts.ancestry
    if facts.run is None or walk is None or not walk.ancestors:
        return _unknown("The ancestry of the training data is not known.")
    read = {"ancestors": [a.document() for a in walk.ancestors], "complete": walk.complete}
    if bad := [f"{a.name}: {a.why_not or 'not approved'}" for a in walk.ancestors if not a.approved]:
        return "fail", f"The training data descends from what may not be used: {_names(bad)}.", read
    unwalked = {i.digest_ for i in facts.inputs or ()} - {a.digest_ for a in walk.ancestors}
    if not walk.complete or unwalked:
        return "missing", "Part of the ancestry of the training data is not known.", read
    return "pass", f"Every version that the training data descends from is approved: {len(walk.ancestors)}.", read


def _digests(check: DigestCheck | None, what: str) -> Answer:
    if check is None or (check.verified == 0 and not check.wrong):
        return _unknown(f"No {what} was read again, so no digest is verified.")
    read = {"verified": check.verified, "wrong": list(check.wrong)}
    if check.wrong:
        return "fail", f"Bytes are not what was recorded: {_names(check.wrong)}.", read
    return "pass", f"{check.verified} × {what}: read again, and every digest agrees.", read


def _safe_format(files: Sequence[FileState]) -> Answer:
    if not files:
        return _unknown("The model has no files.")
    read = {"files": [f.document() for f in files]}
    if bad := [f"{f.path}: {f.why_not}" for f in files if f.why_not]:
        return "fail", f"Not safe to load: {_names(bad)}.", read
    return "pass", "Every file is of a format that executes nothing on load.", read


def _evidence(facts: ModelFloor) -> Answer:
    if not facts.evidence:
        return _unknown("No evidence: nobody evaluated this model for this class.")
    read = {"evidence": [e.document() for e in facts.evidence]}
    if facts.clock is None:
        return "missing", "Without a clock the age of the evidence is not known.", read
    if _set_back(facts.clock):
        return "missing", "The clock was set back, so the age of the evidence is not known.", read
    bad = [f"{e.digest_[:19]}… signed by {e.signer}: {why}" for e in facts.evidence if (why := _not_counted(e, facts))]
    if bad:
        return "fail", f"Evidence that does not count: {_names(bad)}.", read
    return "pass", f"{len(facts.evidence)} × evidence from enrolled evaluators, unexpired.", read


def _not_counted(evidence: EvidenceState, facts: ModelFloor) -> str:
    if not evidence.enrolled or evidence.why_not:
        return evidence.why_not or "the signer is not enrolled"
    if facts.clock is not None and evidence.expires_at <= facts.clock.now:
        return f"expired at {utc_text(evidence.expires_at)}"
    if evidence.plan_policy != facts.policy:
        return "planned under another policy than the one in force; plan and evaluate again"
    return ""


def _overlap(search: OverlapSearch | None) -> Answer:
    if search is None or ((search.training == 0 or search.evaluation == 0) and not search.found):
        return _unknown("Training and evaluation could not be compared.")
    read = {
        "training": search.training,
        "evaluation": search.evaluation,
        "found": [o.document() for o in search.found],
    }
    if search.found:
        shared = [f"{o.kind} {o.value} of {o.training}" for o in search.found]
        return "fail", f"Training and evaluation share {_names(shared)}.", read
    return "pass", "Training and evaluation share no known seed, episode or object.", read


def _environment(facts: ModelFloor | DatasetFloor) -> Answer:
    read = {"environment": facts.environment, "policy": list(facts.policy_environments), "mode": facts.mode}
    if not facts.policy_environments:
        return "missing", "No policy says which environments are allowed.", read
    if facts.environment not in facts.policy_environments:
        allowed = ", ".join(facts.policy_environments)
        return "fail", f"The policy is for {allowed}, not for environment {facts.environment}.", read
    if facts.mode == "single-operator" and facts.environment not in LOCAL_ENVIRONMENTS:
        message = f"One person on one machine releases to demo and dev only, not to {facts.environment}."
        return "fail", message, read
    return "pass", f"Environment {facts.environment} is the policy's.", read


def _policy(facts: ModelFloor | DatasetFloor, what: str) -> Answer:
    if facts.policy is None:
        return _unknown(f"No policy is in force for {what} in environment {facts.environment}, so nothing is released.")
    return "pass", f"A policy is in force for {what}.", {"policy": facts.policy}


def _clock(clock: Clock | None) -> Answer:
    if clock is None:
        return _unknown("The time is not known.")
    read = {"wall": utc_text(clock.wall), "last_audit": utc_text(clock.last_audit) if clock.last_audit else None}
    if _set_back(clock):
        return (
            "missing",
            f"The clock is {clock.now - clock.wall} behind the last audit entry; set it right and judge again.",
            read,
        )
    return "pass", "The clock agrees with the audit log.", read


def _set_back(clock: Clock) -> bool:
    return clock.now - clock.wall > CLOCK_BACK


def _checked(facts: DatasetFloor) -> Answer:
    if facts.checked is None:
        return _unknown("This commit was not checked.")
    read = {"candidate": facts.candidate, "checked": facts.checked}
    if facts.checked != facts.candidate:
        return "fail", f"The check is of commit {facts.checked[:12]}, not of {facts.candidate[:12]}; check again.", read
    return "pass", f"The check is of this commit, {facts.candidate[:12]}.", read


def _listing(faults: tuple[str, ...] | None) -> Answer:
    if faults is None:
        return _unknown("The store's listing was not compared with the version's table.")
    if faults:
        return "fail", f"The store and the version's table differ: {_names(faults)}.", {"faults": list(faults)}
    return "pass", "The store lists what the version's table lists, nothing extra, missing or double.", {"faults": []}


def _main(main: MainState | None) -> Answer:
    if main is None:
        return _unknown("It is not known what main's head is.")
    read = main.document()
    if not main.head_decided:
        return "fail", f"main's head {main.head[:12]} was not decided by the catalog; look at it first.", read
    if main.merge_base != main.head:
        return "fail", f"main has moved to {main.head[:12]} since this version branched; rebase and check again.", read
    return "pass", f"The version continues main's head {main.head[:12]}.", read


def _sources(facts: DatasetFloor) -> Answer:
    if not facts.sources or not facts.terms:
        return _unknown("The manifest states no source or no terms.")
    return (
        "pass",
        "Every recording states its source and its terms.",
        {"sources": list(facts.sources), "terms": list(facts.terms)},
    )


def _parents(unknown: tuple[str, ...] | None) -> Answer:
    if unknown is None:
        return _unknown("The parents of this version were not looked up.")
    if unknown:
        return "fail", f"The catalog does not know: {_names(unknown)}.", {"unknown": list(unknown)}
    return "pass", "Every parent is known to the catalog.", {"unknown": []}
