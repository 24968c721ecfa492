"""The same weights are the same model under whatever name: registered models that hold a file of one another.

Any file but the contract counts, because numbers may lie in JSON, too. Found in the manifests, so that no other record
need be right.
"""

from __future__ import annotations

import re
from collections.abc import Set

from sqlalchemy import Connection, select

from catalog.db import tables
from catalog.domain.model import Model

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def sharing(connection: Connection, weights: Set[str]) -> list[Model]:
    """The models that hold one of these files, oldest first."""
    m = tables.model.c
    bodies = connection.execute(select(m.body).order_by(m.registered_at, m.digest)).scalars()
    likely = (Model.parse(body) for body in bodies if not weights.isdisjoint(DIGEST.findall(body)))
    return [model for model in likely if weights & model.manifest.weights()]


def others(connection: Connection, model: Model) -> list[Model]:
    """The other models that hold a file of this one."""
    return [m for m in sharing(connection, model.manifest.weights()) if m.digest_ != model.digest_]
