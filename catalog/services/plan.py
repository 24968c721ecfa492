"""Plan an evaluation: the plan is in the audit log before the seeds exist, and counts as an attempt for good.

Attempts are counted per class over the line, and over whatever shares its manifest, weights or training run. A release
that is published opens a new budget, once, for the line whose plan it rests on: the claim is "≤ α per release cycle".
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from catalog.db import records, tables
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, Line, Plan, PlanWithSeed
from catalog.domain.model import Model
from catalog.domain.release import Release
from catalog.errors import Conflict, Refused
from catalog.policy.statistics import attempt_alpha
from catalog.services import lineage_edges
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.decide import active_policy, device_classes
from catalog.services.examine_model import examine_model
from catalog.services.seed import draw_seed

AFTER_THE_PLAN = frozenset({"evidence-enrolled", "known-overlap"})


def enrol_line(context: Context, by: str, name: str, device_class: str) -> Line:
    """Enrol the name under which models of one purpose share an error budget."""
    if active_policy(context, "promotion", device_class) is None:
        raise _no_policy(context, device_class)
    with context.records.write(by) as write:
        if records.one(write.connection, tables.line, Line, name=name, device_class=device_class) is not None:
            raise Conflict("already-exists", f"line {name} of class {device_class} is enrolled")
        line = Line(name=name, device_class=device_class, enrolled_by=by, enrolled_at=write.now)
        write.insert(tables.line, line, name=name, device_class=device_class)
        write.audit("line.enrol", name, device_class=device_class)
    return line


def _no_policy(context: Context, device_class: str) -> Refused:
    what = f"no policy is active for class {device_class} in {context.environment}"
    return Refused("policy-missing", what, do=f"use one of {', '.join(device_classes(context))}")


def make_plan(context: Context, by: str, model_name: str, device_class: str, line: str) -> PlanWithSeed:
    """Record a plan, then draw its seed; refused for a model that the floor blocks whatever is measured."""
    model = context.model(model_name)
    with refusals_audited(context, by, "plan.make", model.digest_):
        return _make(context, by, model, device_class, line)


def _make(context: Context, by: str, model: Model, device_class: str, line: str) -> PlanWithSeed:
    policy = active_policy(context, "promotion", device_class)
    if policy is None:
        raise _no_policy(context, device_class)
    if policy.policy.protocol is None:
        raise Refused("policy-missing", f"{policy.policy.name} names no protocol that could be run here")
    floor = examine_model(context, model, policy, device_class).floor
    blocked = [r for r in floor if r.verdict != "pass" and r.rule not in AFTER_THE_PLAN]
    if blocked:
        raise Refused(
            "plan-refused",
            f"{model.manifest.name} is blocked whatever it shows: {blocked[0].message}",
            where=blocked[0].rule,
            do="mend that first; a plan would spend the error budget for nothing",
        )
    with context.records.write(by) as write:
        if records.one(write.connection, tables.line, Line, name=line, device_class=device_class) is None:
            raise Refused(
                "line-not-enrolled",
                f"no line {line!r} of class {device_class} is enrolled",
                do=f"let an approver enrol it: assay line enrol {line} --device-class {device_class}",
            )
        k = 1 + attempts(context, model, device_class, line)
        plan = Plan(
            id=context.ids(),
            model=model.digest_,
            model_name=model.manifest.name,
            device_class=device_class,
            environment=context.environment,
            policy=policy.digest_,
            thresholds=policy.policy.thresholds,
            protocol=policy.policy.protocol,
            line=line,
            k=k,
            alpha=attempt_alpha(k, 1 - policy.policy.confidence),
            by=by,
            at=write.now,
        )
        digest = plan.digest()
        write.insert(
            tables.plan, plan, digest=digest, id=plan.id, model=plan.model, device_class=device_class, seed=None
        )
        write.audit("plan.make", digest, model=plan.model, line=line, attempt=k, n=plan.protocol.n)
        lineage_edges.of_plan(write, plan)
    return draw_seed(context.records, by, plan)


def attempts(context: Context, model: Model, device_class: str, line: str) -> int:
    """How many plans of this class count for this model: of its line, its manifest, its weights or its run.

    A plan counts until a release cycle of its own line ends, under whatever line the model is tried next.
    """
    with context.records.read() as c:
        plans = records.many(c, tables.plan, Plan, order="id", device_class=device_class)
        models = {m.digest_: m for m in records.many(c, tables.model, Model, order="digest")}
        ended = cycles_ended(c, device_class)
    spent = [p for p in plans if p.line not in ended or p.at > ended[p.line]]
    return sum(p.line == line or _kin(models[p.model], model) for p in spent)


def cycles_ended(connection: Connection, device_class: str) -> dict[str, datetime]:
    """When the last release cycle of each line of a class ended: when a release resting on one of its plans was first
    published. Releasing the same evidence again ends nothing, nor does a release that never reached a device.
    """
    rows = records.many(connection, tables.release, Release, order="proposed_at", device_class=device_class)
    published = sorted(((r.published_at, r) for r in rows if r.published_at is not None), key=lambda pair: pair[0])
    ended: dict[str, datetime] = {}
    rested_on: set[str] = set()
    for at, release in published:
        for plan in _plans_behind(connection, release):
            if plan.id not in rested_on and plan.device_class == device_class:
                rested_on.add(plan.id)
                ended[plan.line] = at
    return ended


def _plans_behind(connection: Connection, release: Release) -> list[Plan]:
    decision = records.one(connection, tables.decision, Decision, digest=release.manifest.decision)
    evidence = [
        records.one(connection, tables.evidence, Evidence, digest=digest)
        for digest in (decision.evidence if decision is not None else ())
    ]
    plans = [records.one(connection, tables.plan, Plan, digest=e.plan) for e in evidence if e is not None]
    return [p for p in plans if p is not None]


def _kin(one: Model, other: Model) -> bool:
    same_run = one.run is not None and one.run == other.run
    return one.digest_ == other.digest_ or same_run or bool(one.manifest.weights() & other.manifest.weights())
