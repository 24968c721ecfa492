"""Replay trials of received evidence in the harness installed here: all where that is cheap, else a sample drawn after
receipt.

The draw is recorded with the evidence and stands for good; what the harness does is measured, so how much is replayed
is nobody's claim. A replay that fails has replayed nothing.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Mapping
from typing import Any, Literal

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import sha256
from catalog.domain.evidence import Evidence, Harness, Plan, Trial
from catalog.domain.replay import Difference, Replay, digest_of_seeds
from catalog.domain.tally import WITHIN
from catalog.errors import Absent, AssayError, Conflict, Damaged
from catalog.services.context import Context
from catalog.services.intent import Kind, Operations, Work, commit
from catalog.services.register_model import model_bytes
from catalog.services.simulate import Command, Failed, Outcome, simulate

PILOT = 59  # trials, of which one is forged with 95 % where 5 % of all are; also the smallest sample
CHEAP = 120.0  # seconds that a replay may be estimated to take
PILOT_LIMIT = 600.0  # seconds
SLACK = 4.0  # how many times the estimate a replay may take


def replay_of(context: Context, evidence: str) -> Replay | None:
    """The replay of an evidence; evidence of a stand-in has none."""
    with context.records.read() as c:
        return records.one(c, tables.replay, Replay, evidence=evidence)


def find_replay(context: Context, evidence: str) -> Replay:
    """The replay of an evidence, for who asks for it by name."""
    found = replay_of(context, evidence)
    if found is None:
        raise Absent("evidence-unknown", f"nothing is replayed of {evidence}", do="bring simulated evidence first")
    return found


def replay_again(operations: Operations, by: str, evidence: str) -> Replay:
    """Try a failed replay again, on the same draw."""
    context = operations.context
    find_replay(context, evidence)
    with context.records.write(by) as write:
        failed = _drawn(write, evidence)
        if failed.state != "failed":
            raise Conflict("already-exists", f"the replay of {evidence} is {failed.state}", do="look at its result")
        operation = commit(write, context.ids(), "replay", {"evidence": evidence}).id
        again = failed.model_copy(update={"state": "drawn", "operation": operation, "why": "", "at": None})
        write.replace(tables.replay, {"evidence": evidence}, again)
        write.audit("replay.again", evidence, draw=again.draw)
    operations.recover()
    return again


def _drawn(write: Write, evidence: str) -> Replay:
    found = records.one(write.connection, tables.replay, Replay, evidence=evidence)
    if found is None:
        raise Damaged("records-damaged", f"the draw of {evidence} is gone", do="restore a backup")
    return found


def replayable(trials: tuple[Trial, ...]) -> dict[int, Literal["success", "failure"]]:
    """By seed, the outcome that a table says of it: its worst; assisted trials count as failures anyway."""
    said: dict[int, Literal["success", "failure"]] = {}
    for trial in trials:
        if not trial.assisted and said.get(trial.seed) != "failure":
            said[trial.seed] = trial.outcome
    return said


def _run(work: Work) -> None:
    """Run the trials; what the harness cannot do is the replay's result, what the store cannot do waits."""
    context = work.context
    replay, evidence, plan = _read(context, work.arguments["evidence"])
    said = replayable(evidence.statement.predicate.trials)
    files = _files(context, evidence.model)
    try:
        command = context.harness(replay.protocol)
        harness, outcomes = _outcomes(work, command, files, replay.order(said))
    except (Failed, OSError, AssayError) as error:
        if isinstance(error, AssayError) and error.kind != "part-missing":
            raise
        work.memory["result"] = {"why": str(error)[:2000]}
        return
    within = plan.thresholds.get(WITHIN)
    differing = [
        Difference(seed=outcome.seed, said=said[outcome.seed], found=found)
        for outcome in outcomes
        if (found := _judged(outcome, within)) != said[outcome.seed]
    ]
    work.memory["result"] = {
        "replayed": len(outcomes),
        "seeds": digest_of_seeds([outcome.seed for outcome in outcomes]),
        "differing": len(differing),
        "first": differing[0].document() if differing else None,
        "harness": harness.document(),
    }


def _outcomes(work: Work, command: Command, files: dict[str, bytes], order: list[int]) -> tuple[Harness, list[Outcome]]:
    """A pilot that is measured, then the rest of all or of the sample, in the drawn order; raises `Failed`."""
    pilot = simulate(command, files, order[:PILOT], PILOT_LIMIT, lambda done: work.progress(0.1 * done, "pilot"))
    each = pilot.seconds / max(1, len(pilot.outcomes))
    count = len(order) if each * len(order) <= CHEAP else max(PILOT, int(CHEAP / each))
    outcomes = dict(pilot.outcomes)
    if rest := order[PILOT:count]:
        limit = PILOT_LIMIT + SLACK * each * len(rest)
        more = simulate(command, files, rest, limit, lambda done: work.progress(0.1 + 0.9 * done, "replay"))
        if more.harness != pilot.harness:
            raise Failed("the installed harness changed while it ran")
        outcomes |= more.outcomes
    return pilot.harness, [outcomes[seed] for seed in order[:count]]


def _judged(outcome: Outcome, within: float | None) -> Literal["success", "failure"]:
    """A success by the plan's own threshold, whatever the harness calls one."""
    missed = within is not None and outcome.distance_m > within
    return "failure" if missed else outcome.outcome


def _read(context: Context, digest: str) -> tuple[Replay, Evidence, Plan]:
    with context.records.read() as c:
        replay = records.one(c, tables.replay, Replay, evidence=digest)
        evidence = records.one(c, tables.evidence, Evidence, digest=digest)
        plan = records.one(c, tables.plan, Plan, digest=evidence.plan) if evidence is not None else None
    if replay is None or evidence is None or plan is None:
        raise Damaged("records-damaged", f"the replay of {digest} has no evidence or no plan", do="restore a backup")
    return replay, evidence, plan


def _files(context: Context, digest: str) -> dict[str, bytes]:
    model = context.model(digest)
    files = {file.path: model_bytes(context, model, file.path) for file in model.manifest.files}
    for file in model.manifest.files:
        if sha256(files[file.path]) != file.sha256:
            raise Damaged("digest-mismatch", f"{file.path} of {model.manifest.name} is not what was registered")
    return files


def _record(work: Work, write: Write) -> dict[str, Any]:
    return _put(work, write, work.memory["result"]).document()


def _put(work: Work, write: Write, result: Mapping[str, Any]) -> Replay:
    replay = _drawn(write, work.arguments["evidence"])
    done = Replay.of(
        {
            **replay.document(),
            "state": "failed" if "why" in result else "done",
            "why": "",
            "operation": work.intent.id,
            "host": f"{socket.gethostname()}, {platform.platform()}",
            "at": write.now.isoformat(),
            **result,
        }
    )
    write.replace(tables.replay, {"evidence": done.evidence}, done)
    said = {"state": done.state, "replayed": done.replayed, "differing": done.differing, "why": done.why}
    write.audit("evidence.replay", done.evidence, seeds=done.seeds, **said)
    evidence = records.one(write.connection, tables.evidence, Evidence, digest=done.evidence)
    if evidence is not None and done.against(evidence.statement.predicate.harness):
        write.raise_epoch()
    return done


def _abandon(work: Work) -> None:
    """Cancelled, or the model's bytes are damaged: nothing was replayed, and that is said."""
    with work.context.records.write(work.intent.by) as write:
        _put(work, write, {"why": "it was cancelled, or the model could not be read"})


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"replay:{arguments['evidence']}"


KIND = Kind("replay", (_run,), _record, _abandon, _serial)
