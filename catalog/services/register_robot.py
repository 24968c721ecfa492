"""Record a robot: its kinematic model, channels, tracker and suite, separate from any data it recorded."""

from __future__ import annotations

from typing import Any

import validators.errors
from catalog.db import tables
from catalog.domain.base import canonical, sha256, utc_text
from catalog.domain.robot import Robot
from catalog.errors import Invalid
from catalog.services.context import Context
from validators import robot, suites


def register_robot(context: Context, by: str, name: str, suite: str, record: dict[str, Any]) -> Robot:
    """Record a robot; `record` is `robot@1` with the model's XML inside. A newer record replaces the older in use."""
    try:
        if suite not in suites.names():
            raise Invalid("suite-invalid", f"no suite {suite!r}", do=f"one of {', '.join(suites.names())}")
        model = robot.load(canonical(record).decode())
    except validators.errors.InvalidRobot as error:
        raise Invalid("robot-invalid", str(error), do="correct the record") from error
    with context.records.write(by) as write:
        entity = Robot(
            name=name,
            suite=suite,
            record=record,
            model_digest=model.digest,
            registered_by=by,
            registered_at=write.now,
        )
        digest = sha256(entity.canonical())
        write.insert(tables.robot, entity, digest=digest, name=name, registered_at=utc_text(write.now))
        write.raise_epoch()
        write.audit("robot.register", name, digest=digest, suite=suite, model=model.digest)
    return entity
