"""The tables. Every governed row is `keys + body`: the body is the canonical document of a domain entity,
so each read validates it, and a field stands in one place only. Text sorts by bytes.
"""

from __future__ import annotations

from catalog.db.tables.base import metadata
from catalog.db.tables.data import (
    approval,
    check,
    commit_copy,
    dataset,
    episode,
    location,
    object_,
    quarantine,
    quarantined,
    robot,
    undecided,
    version,
)
from catalog.db.tables.lineage import edge, opened, recall, revoked
from catalog.db.tables.log import audit, head, idempotency, intent, outbox
from catalog.db.tables.models import decision, evidence, line, model, plan, policy, replay, reproduction, run, signature
from catalog.db.tables.people import endorsement, key, principal, proposal
from catalog.db.tables.releases import choice, denial, device, device_report, lease, release, release_signature

__all__ = [
    "UNGOVERNED",
    "approval",
    "audit",
    "check",
    "choice",
    "commit_copy",
    "dataset",
    "decision",
    "denial",
    "device",
    "device_report",
    "edge",
    "endorsement",
    "episode",
    "evidence",
    "head",
    "idempotency",
    "intent",
    "key",
    "lease",
    "line",
    "location",
    "metadata",
    "model",
    "object_",
    "opened",
    "outbox",
    "plan",
    "policy",
    "principal",
    "proposal",
    "quarantine",
    "quarantined",
    "recall",
    "release",
    "release_signature",
    "replay",
    "reproduction",
    "revoked",
    "robot",
    "run",
    "signature",
    "undecided",
    "version",
]

UNGOVERNED = frozenset({"intent", "idempotency", "outbox"})
