"""What denies a model or a release: a denial of any release that holds one of its files, under whatever name."""

from __future__ import annotations

from collections.abc import Set

from sqlalchemy import Connection, select

from catalog.db import records, tables
from catalog.domain.model import Model, weights_of
from catalog.domain.release import Denial, Release


class Denied:
    """All denials as one connection sees them, found by release, by model and by weights."""

    def __init__(self, connection: Connection) -> None:
        self._every = sorted(
            records.many(connection, tables.denial, Denial, order="id"), key=lambda denial: denial.audit_seq
        )
        m, of_denials = tables.model.c, select(tables.denial.c.model)
        self._models: dict[str, set[str]] = {}
        for body in connection.execute(select(m.body).where(m.digest.in_(of_denials))).scalars():
            model = Model.parse(body)
            for digest in model.manifest.weights():
                self._models.setdefault(digest, set()).add(model.digest_)

    def release(self, found: Release) -> list[Denial]:
        """What denies this release, oldest first."""
        manifest = found.manifest
        models = self._holding(weights_of(manifest.files)) | {manifest.model}
        return [d for d in self._every if d.release == manifest.id or d.model in models]

    def model(self, found: Model) -> list[Denial]:
        """What denies any release of this model, oldest first."""
        models = self._holding(found.manifest.weights()) | {found.digest_}
        return [d for d in self._every if d.model in models]

    def _holding(self, weights: Set[str]) -> set[str]:
        return {model for digest in weights for model in self._models.get(digest, ())}
