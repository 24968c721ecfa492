"""Judge a model for a device class: examine it, and record the decision.

Class and environment choose the policy; nobody else does.
"""

from __future__ import annotations

from catalog.db import records, tables
from catalog.domain.decision import Decision
from catalog.domain.model import Model
from catalog.domain.release import Denial
from catalog.services.context import Context
from catalog.services.decide import active_policy, decide
from catalog.services.examine_model import examine_model


def judge_model(context: Context, by: str, model_name: str, device_class: str) -> Decision:
    """Evaluate and record the decision on a model for a class."""
    model = context.model(model_name)
    policy = active_policy(context, "promotion", device_class)
    found = examine_model(context, model, policy, device_class)
    return decide(
        context,
        by,
        policy,
        found.floor + found.rules,
        decides="promotion",
        subject=model.digest_,
        subject_name=model.manifest.name,
        run=model.run,
        device_class=device_class,
        hardware=policy.policy.hardware if policy else None,
        data=found.data,
        evidence=found.evidence,
        conditions=_withdrawn(context, model) + found.conditions,
    )


def _withdrawn(context: Context, model: Model) -> tuple[str, ...]:
    """That a denial stands for good: the gate may call the model eligible, and nobody can approve a release of it."""
    with context.records.read() as c:
        denials = records.many(c, tables.denial, Denial, order="id", model=model.digest_)
    return tuple(f"withdrawn for good, so no release of it can be approved: {d.reason}"[:4000] for d in denials[:1])
