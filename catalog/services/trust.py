"""What the catalog hands to those who check it from outside: its trust root, and its audit head, signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from catalog.attest import envelope
from catalog.db import tables
from catalog.db.door import Records
from catalog.domain.base import Entity
from catalog.domain.merkle import Consistency
from catalog.domain.release import DeniedRelease
from catalog.domain.trust import LogHead, SignedDocument, TrustRoot
from catalog.errors import Invalid, Refused, Unavailable
from catalog.services import release_records
from catalog.services.audit_log import log_tree
from catalog.services.context import Context


def trust_root(context: Context) -> SignedDocument:
    """Whose keys count here, with the log's head. It proves nothing by itself: what counts is how it is handed over."""
    now = unhurried(context)
    head, _ = context.records.head()
    root = TrustRoot(
        home=home_of(context.records),
        environment=context.environment,
        keys=tuple(context.keys()),
        first_root=context.releases.root_digest(),
        audit_head=head,
        issued_at=now,
    )
    return signed(context, root, envelope.TRUST)


def signed_head(context: Context, since: int | None = None) -> SignedDocument:
    """The log's head now with every denial; with `since`, the proof that this log begins with that one's entries."""
    now = unhurried(context)
    head, epoch = context.records.head()
    with context.records.read() as c:
        denials = release_records.denials(c)
    denied = (DeniedRelease(release=d.release, model=d.model, reason=d.reason, at=d.at) for d in denials)
    proof = None if since is None else _since(context, since, head.size)
    document = LogHead(
        home=home_of(context.records),
        environment=context.environment,
        head=head,
        at=now,
        epoch=epoch,
        denials=tuple(sorted(denied, key=lambda d: (d.at, d.release))),
        consistency=proof,
    )
    return signed(context, document, envelope.HEAD)


def _since(context: Context, since: int, size: int) -> Consistency:
    if not 0 <= since <= size:
        what = f"the log has {size} entries, so it continues none of {since}"
        raise Invalid("input-invalid", what, where="since", do="name the size of an earlier head")
    return log_tree(context, size).consistency(since, size)


def unhurried(context: Context) -> Any:
    """Now; refused when the clock was set back, because a signed time must not lie in the past."""
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    return now


def home_of(records: Records) -> str:
    """The identity of this home."""
    with records.read() as c:
        return str(c.execute(select(tables.head.c.home)).scalar_one())


def signed(context: Context, document: Entity, payload_type: str) -> SignedDocument:
    """A document under the report key."""
    key: Path = context.report_key
    if not key.is_file():
        what = "the key that signs reports and heads cannot be read"
        raise Unavailable("key-unreachable", what, where=str(key), do="bring it, or set ASSAY_REPORT_KEY")
    return SignedDocument(envelope=envelope.sign(document.canonical(), payload_type, key))
