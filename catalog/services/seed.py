"""Draw the seed of a plan: only once the plan is in the audit log, once for good, and in the log itself."""

from __future__ import annotations

import secrets

from sqlalchemy import select

from catalog.db import tables
from catalog.db.door import Records
from catalog.domain.evidence import Plan, PlanWithSeed


def draw_seed(records: Records, by: str, plan: Plan) -> PlanWithSeed:
    """Draw the 32 bytes of a recorded plan, once; drawn again they are the same."""
    digest = plan.digest()
    with records.write(by) as write:
        seed = write.connection.execute(select(tables.plan.c.seed).where(tables.plan.c.digest == digest)).scalar_one()
        if seed is None:
            seed = secrets.token_bytes(32).hex()
            write.replace(tables.plan, {"digest": digest}, seed=seed)
            write.audit("plan.seed", digest, seed=seed)
    return PlanWithSeed(plan=plan, plan_digest=digest, seed=seed)
