"""Deny releases in the transaction of the act that revokes what they rest on: there is no moment in between.

A denial is for good. The class's choice falls to none at once; going back is an act of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.model import Model
from catalog.domain.release import Choice, Denial
from catalog.services import release_records
from catalog.services.context import Context
from catalog.services.same_weights import sharing


def deny_reached(
    context: Context, write: Write, releases: Sequence[str], reason: str, recall: str | None = None
) -> list[Denial]:
    """Deny every allowed release among these ids, and of the same weights, that is not denied yet; the new denials.

    The caller audits the act itself; each denial has its own entry, and the epoch rises.
    """
    made: list[Denial] = []
    for identity in _of_the_same_weights(write, releases):
        found = release_records.find(write.connection, identity)
        if found.allowed_at is None or release_records.denials(write.connection, identity):
            continue
        denial = Denial(
            id=context.ids(),
            release=identity,
            model=found.manifest.model,
            reason=reason,
            recall=recall,
            by=write.actor,
            at=write.now,
            audit_seq=write.head.size,
        )
        write.audit(
            "release.deny",
            identity,
            model=denial.model,
            reason=reason,
            recall=recall,
            record=denial.digest(),
        )
        write.insert(tables.denial, denial, id=denial.id, release=identity, model=denial.model)
        release_records.put(write, found, "denied")
        made.append(denial)
        _unchoose(write, found.manifest.device_class, identity, reason)
    if made:
        write.raise_epoch()
    return made


def _of_the_same_weights(write: Write, releases: Sequence[str]) -> list[str]:
    """These releases and every other one that holds weights of them, whatever its name and the class it is for."""
    r, m = tables.release.c, tables.model.c
    models = select(m.body).where(m.digest.in_(select(r.model).where(r.id.in_(releases))))
    bodies = write.connection.execute(models).scalars()
    weights = {digest for body in bodies for digest in Model.parse(body).manifest.weights()}
    holding = [model.digest_ for model in sharing(write.connection, weights)]
    same = write.connection.execute(select(r.id).where(r.model.in_(holding)).order_by(r.id)).scalars()
    return list(dict.fromkeys((*releases, *same)))


def _unchoose(write: Write, device_class: str, identity: str, reason: str) -> None:
    chosen = release_records.choice(write.connection, device_class)
    if chosen is None or chosen.release != identity:
        return
    none = Choice(
        device_class=device_class, release=None, reason=f"withdrawn: {reason}"[:4000], by=write.actor,
        requested_at=write.now,
    )  # fmt: skip
    release_records.choose(write, none, "release.unchoose")
