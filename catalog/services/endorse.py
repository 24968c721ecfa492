"""A proposal that several people sign, each alone and with their own key, until enough of them have.

Only signatures of keys that count now are counted, so that revoking a key takes it out of every open proposal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from catalog.attest.envelope import verify
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import canonical, utc_text
from catalog.domain.principal import Key, KeyRole
from catalog.errors import Conflict, Refused
from catalog.services.context import Context


def signed_alone(
    context: Context, by: str, envelope: dict[str, Any], payload_type: str, role: KeyRole
) -> tuple[bytes, Key]:
    """The payload under the one signature of who brings it, and the key; raises `Refused`."""
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    verified = verify(envelope, payload_type, context.keys(), role=role, at=now)
    if len(verified.keys) != 1 or verified.keys[0].principal != by:
        signers = ", ".join(sorted(k.principal for k in verified.keys))
        raise Refused("separation-of-duties", f"{by} brought a signature of {signers}", do="everybody signs alone")
    return verified.payload, verified.keys[0]


def endorse(write: Write, subject: str, kind: str, key: Key, envelope: dict[str, Any]) -> list[Key]:
    """Record one signature on a proposal; the keys of all who signed it and still count, this one included."""
    earlier = endorsers(write, subject, key.role)
    if any(other.principal == key.principal or other.public == key.public for other in earlier):
        raise Conflict("already-exists", f"{key.principal} has signed this", where=subject, do="another must sign")
    write.insert(
        tables.endorsement,
        subject=subject,
        keyid=key.keyid,
        kind=kind,
        at=utc_text(write.now),
        envelope=canonical(envelope).decode(),
    )
    return [*earlier, key]


def endorsers(write: Write, subject: str, role: KeyRole) -> list[Key]:
    """The keys of a role that signed a proposal and count in this transaction."""
    found = _keys(write, subject)
    return [key for key in found if not key.counts(role, write.now)]


def signed_by(context: Context, subject: str) -> tuple[str, ...]:
    """Who signed a proposal, whatever became of their keys."""
    e, k = tables.endorsement.c, tables.key.c
    with context.records.read() as c:
        rows = c.execute(select(k.principal).where(e.subject == subject, e.keyid == k.keyid).order_by(e.at))
        return tuple(str(row.principal) for row in rows)


def still_open(until: datetime, now: datetime) -> None:
    """Refuse a proposal whose time is over."""
    if until <= now:
        raise Refused("decision-expired", f"the proposal expired at {utc_text(until)}", do="propose and sign it again")


def _keys(write: Write, subject: str) -> list[Key]:
    e = tables.endorsement.c
    keyids = list(write.connection.execute(select(e.keyid).where(e.subject == subject)).scalars())
    found = [records.one(write.connection, tables.key, Key, keyid=keyid) for keyid in keyids]
    return [key for key in found if key is not None]
