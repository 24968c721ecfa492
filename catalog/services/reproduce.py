"""Receive a reproduction: signed by an evaluator who is not the run's author, and compared by the catalog itself.

On the same host class every byte must agree. Elsewhere the last digits of a numeric library may differ, so there the
actions of both models on drawn observations decide, within the tolerance that the statement names.
"""

from __future__ import annotations

from typing import Any, Literal

from catalog.attest.envelope import EVIDENCE, verify
from catalog.db import records, tables
from catalog.domain.base import canonical, sha256
from catalog.domain.model import Model
from catalog.domain.reproduction import Reproduced, Reproduction, ReproductionStatement, compared, same_host_class
from catalog.domain.run import Run
from catalog.errors import Conflict, Invalid, Refused
from catalog.services.audit import refusals_audited
from catalog.services.context import Context

NAMED = 5  # how many files a reason names


def receive_reproduction(context: Context, by: str, run_id: str, envelope: dict[str, Any]) -> Reproduction:
    """Verify, compare and record one reproduction; a difference raises the epoch, so older decisions are void."""
    with refusals_audited(context, by, "run.reproduce", run_id):
        return _receive(context, by, context.run(run_id), envelope)


def _receive(context: Context, by: str, run: Run, envelope: dict[str, Any]) -> Reproduction:
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    verified = verify(envelope, EVIDENCE, context.keys(), role="evaluator", at=now)
    signer = verified.keys[0]
    statement = ReproductionStatement.parse(verified.payload)
    predicate = statement.predicate
    if not signer.principal == predicate.evaluator == by:
        raise Refused(
            "signer-not-enrolled",
            f"a reproduction of {predicate.evaluator}, signed by {signer.principal}, brought by {by}",
            do="an evaluator signs and brings their own reproduction",
        )
    if by == run.by:
        raise Refused("separation-of-duties", f"{by} is the author of run {run.id}", do="let another evaluator do it")
    model = _about(context, run, statement)
    outcome, why, differing = _compare(run, model, predicate)
    with context.records.write(by) as write:
        known = records.many(write.connection, tables.reproduction, Reproduction, order="id", run=run.id)
        if any(sha256(canonical(r.envelope)) == sha256(canonical(envelope)) for r in known):
            raise Conflict("already-exists", "this reproduction is on record", where=run.id, do="reproduce again")
        done = Reproduction(
            id=context.ids(),
            run=run.id,
            model=model.digest_,
            outcome=outcome,
            why=why,
            differing=differing,
            keyid=signer.keyid,
            signer=signer.principal,
            envelope=envelope,
            statement=statement,
            received_at=write.now,
        )
        write.insert(tables.reproduction, done, id=done.id, run=run.id)
        action = "run.not-reproduced" if outcome == "differs" else "run.reproduced"
        write.audit(action, run.id, model=model.digest_, reproduction=done.id, outcome=outcome, why=why)
        if outcome == "differs":
            write.raise_epoch()
    return done


def _about(context: Context, run: Run, statement: ReproductionStatement) -> Model:
    """The model that it is about: one that the run registered, made by the code that the run recorded."""
    said, code = statement.predicate, run.start.code
    if said.run != run.id or statement.model not in run.outputs:
        raise Invalid(
            "evidence-subject",
            f"the reproduction is of run {said.run} and model {statement.model}",
            where=f"run {run.id}",
            do="reproduce a model of this run",
        )
    if (said.commit, said.difference_digest, said.command) != (code.commit, code.difference_digest, code.command):
        raise Invalid(
            "evidence-invalid", "another code or command was run than the run recorded", where=f"run {run.id}"
        )
    if not run.started_at <= said.started_at <= said.finished_at:
        raise Invalid("evidence-time", "the reproduction did not begin after its run and end after it began")
    return context.model(statement.model)


def _compare(
    run: Run, model: Model, said: Reproduced
) -> tuple[Literal["matched", "matched-actions", "differs"], str, tuple[str, ...]]:
    differing = compared(model.manifest.files, said.files)
    if not differing:
        return "matched", f"all {len(model.manifest.files)} files are byte for byte the same", ()
    more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
    names = ", ".join(differing[:NAMED]) + more
    if same_host_class(run, said.environment):
        return "differs", f"{names} differ, made again from the same code and inputs on the same host class", differing
    probe = said.probe
    if probe is None:
        raise Invalid(
            "evidence-invalid",
            f"{names} differ on another host class, and no actions were compared",
            do="name a harness with `probe`, or reproduce on the run's host class",
        )
    measured = f"the largest difference of {probe.actions} actions is {probe.largest:.3g}"
    tolerance = f"the tolerance is {probe.tolerance:.3g}, by {probe.harness} {probe.version}"
    if probe.largest <= probe.tolerance:
        return "matched-actions", f"{names} differ on another host class; {measured}, {tolerance}", differing
    return "differs", f"{names} differ, and {measured}, {tolerance}", differing
