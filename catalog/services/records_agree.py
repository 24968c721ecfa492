"""What blocks and what permits is in its table as the log says it was recorded: no row less, none more, none other.

An entry that records such a row carries `record`, the digest of what the tables hold of it. So whoever deletes a
quarantine, gives a revoked key back or puts a policy in force by SQL must rewrite the log, too, and a kept head finds
that. Entries of before `record` was written vouch for the row's being there, not for what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select

from catalog.db import tables
from catalog.domain.base import canonical, sha256
from catalog.errors import Damaged

Held = Iterator[tuple[str, str]]  # what it is called, and the digest of what is recorded
Said = dict[str, str]
NAMED = 5
UNKNOWN = ""  # an older entry's digest
ELSEWHERE = "filed elsewhere"  # instead of a digest


@dataclass(frozen=True)
class _Entry:
    action: str
    subject: str
    seq: int
    at: str
    details: dict[str, Any]

    @property
    def record(self) -> str:
        return str(self.details.get("record", UNKNOWN))


def quarantine_record(quarantine: str, marks: Iterable[tuple[str, str, str, int]]) -> str:
    """Of a quarantine by its digest, and what it blocks: digest, of what, root and number of the episode."""
    return sha256(canonical({"quarantine": quarantine, "marks": sorted(marks)}))


def recall_record(recall: str, revoked: Iterable[str]) -> str:
    """Of a recall by its digest, and the nodes it revoked."""
    return sha256(canonical({"recall": recall, "revoked": sorted(revoked)}))


def approval_record(approval: str, signatures: Iterable[tuple[str, str, str]]) -> str:
    """Of an approval by its digest, and its signatures: key, time and envelope."""
    return sha256(canonical({"approval": approval, "signatures": sorted(signatures)}))


def records_agree(connection: Connection) -> None:
    """Raise `Damaged("audit-damaged")` naming what the tables lack, have besides, or have otherwise than the log."""
    said, faults = _said(connection), list[str]()
    for kind, held in _HELD.items():
        found, wanted = dict(held(connection)), said[kind]
        faults += [f"{kind} {name} is gone" for name in sorted(wanted.keys() - found.keys())]
        faults += [f"{kind} {name} was recorded by nobody" for name in sorted(found.keys() - wanted.keys())]
        both = sorted(wanted.keys() & found.keys())
        faults += [f"{kind} {n} is not what was recorded" for n in both if wanted[n] not in (UNKNOWN, found[n])]
    if faults:
        more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        what = f"the records are not what the audit log says: {'; '.join(faults[:NAMED])}{more}"
        do = "find out who changed the database, and restore a backup; promote nothing until then"
        raise Damaged("audit-damaged", what[:4000], do=do)


def _said(connection: Connection) -> dict[str, Said]:
    """By kind: what the log says was recorded."""
    a, found = tables.audit.c, {kind: Said() for kind in _HELD}
    asked = select(a.body).where(a.action.in_(_NAMES)).order_by(a.seq)
    for body in connection.execute(asked).scalars():
        document = json.loads(body)
        entry = _Entry(*(document[field] for field in ("action", "subject", "seq", "at", "details")))
        kind, name = _NAMES[entry.action](entry)
        if entry.action == "key.revoke":
            since = found[kind].get(name, "").partition(" ")[2] or entry.at
            found[kind][name] = _revoked(entry.details["compromised"], since)
        else:
            found[kind][name] = entry.record
    return found


_NAMES: dict[str, Callable[[_Entry], tuple[str, str]]] = {
    "dataset.quarantine": lambda e: ("quarantine", _quarantine(e.subject, e.details["root"], e.at)),
    "dataset.approve": lambda e: ("approval of", e.subject),
    "recall": lambda e: ("recall", e.details["recall"]),
    "release.deny": lambda e: ("denial of", _denial(e.subject, e.seq)),
    "denial.published": lambda e: ("denial of", _denial(e.subject, e.details["denied_by"])),
    "release.approve": lambda e: ("signature on", _signature(e.details["release"], e.details["keyid"])),
    "key.enrol": lambda e: ("key", e.subject),
    "key.revoke": lambda e: ("revocation of key", e.subject),
    "policy.activate": lambda e: ("policy", e.details["digest"]),
}


def _quarantine(manifest: str, root: str | None, at: str) -> str:
    return f"in {manifest} of {root or 'all of it'} at {at}"


def _denial(release: str, seq: int) -> str:
    return f"release {release} by entry {seq}"


def _signature(release: str, keyid: str) -> str:
    return f"release {release} by key {keyid}"


def _revoked(compromised: bool, since: str) -> str:
    return f"{'compromised' if compromised else 'lost'} {since}"


def _quarantines(connection: Connection) -> Held:
    marks: dict[str, list[tuple[str, str, str, int]]] = {}
    for row in connection.execute(select(tables.quarantined)):
        marks.setdefault(row.quarantine, []).append((row.digest, row.of, row.root, row.number))
    for found, held in _filed(connection, tables.quarantine, "id", "dataset", "manifest_digest"):
        name = _quarantine(found["manifest_digest"], found["root"], found["at"])
        yield name, quarantine_record(held, marks.get(found["id"], ()))


def _approvals(connection: Connection) -> Held:
    signed: dict[str, list[tuple[str, str, str]]] = {}
    for row in connection.execute(select(tables.signature)):
        signed.setdefault(row.decision, []).append((row.keyid, row.at, sha256(row.envelope.encode())))
    for found, held in _filed(connection, tables.approval, "id", "dataset", "manifest_digest", "tag", "merge_commit"):
        yield found["manifest_digest"], approval_record(held, signed.get(found["decision"], ()))


def _recalls(connection: Connection) -> Held:
    revoked: dict[str, list[str]] = {}
    for urn, recall in connection.execute(select(tables.revoked.c.urn, tables.revoked.c.recall)):
        revoked.setdefault(recall, []).append(urn)
    for found, held in _filed(connection, tables.recall, "id"):
        yield found["id"], recall_record(held, revoked.get(found["id"], ()))


def _denials(connection: Connection) -> Held:
    for found, held in _filed(connection, tables.denial, "id", "release", "model"):
        yield _denial(found["release"], found["audit_seq"]), held


def _signatures(connection: Connection) -> Held:
    for found, held in _filed(connection, tables.release_signature, "release", "keyid"):
        yield _signature(found["release"], found["keyid"]), held


def _keys(connection: Connection) -> Held:
    for found, held in _filed(connection, tables.key, "keyid", "public", "principal", "role"):
        enrolled = canonical(found | {"revoked_at": None, "compromised": False})
        yield found["keyid"], held if held == ELSEWHERE else sha256(enrolled)


def _revocations(connection: Connection) -> Held:
    for found, _ in _filed(connection, tables.key):
        if found["revoked_at"] is not None or found["compromised"]:
            yield found["keyid"], _revoked(found["compromised"], found["revoked_at"])


def _policies(connection: Connection) -> Held:
    within = dict.fromkeys(("name", "version", "decides", "device_class"), "policy")
    for found, held in _filed(connection, tables.policy, "digest", **within):
        same = sha256(canonical(found["policy"])) == found["digest"]
        yield found["digest"], held if same else ELSEWHERE


def _filed(connection: Connection, table: Table, *own: str, **within: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each row's document and its digest, or `ELSEWHERE` where the row is filed under something else than it says."""
    for row in connection.execute(select(table)):
        found = json.loads(row.body)
        same = all(getattr(row, column) == found[column] for column in own)
        same &= all(getattr(row, column) == found[part][column] for column, part in within.items())
        yield found, sha256(row.body.encode()) if same else ELSEWHERE


_HELD: dict[str, Callable[[Connection], Held]] = {
    "quarantine": _quarantines,
    "approval of": _approvals,
    "recall": _recalls,
    "denial of": _denials,
    "signature on": _signatures,
    "key": _keys,
    "revocation of key": _revocations,
    "policy": _policies,
}
