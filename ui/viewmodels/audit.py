"""The audit log as an auditor reads it: the head to keep, what a kept head says, the newest entries."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from catalog.domain.audit import AuditEntry, AuditHead
from catalog.domain.device import DeviceView
from catalog.errors import Invalid
from ui.viewmodels.text import plain

HEAD = re.compile(r"([0-9]{1,12}):(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class KeptHead:
    """A head that a device was shown and reported back."""

    device: str
    head: AuditHead


def written(head: AuditHead) -> str:
    """A head as it is kept: SIZE:ROOT."""
    return f"{head.size}:{head.root}"


def read(text: str) -> AuditHead:
    """A head that somebody kept; raises `Invalid` for anything else."""
    match = HEAD.fullmatch(text.strip())
    if match is None:
        raise Invalid(
            "input-invalid",
            "this is no head of an audit log",
            where=plain(text)[:200],
            do="paste SIZE:sha256:ROOT, whole",
        )
    return AuditHead(size=int(match[1]), root=match[2])


def kept(devices: list[DeviceView]) -> list[KeptHead]:
    """The newest head that each device says it keeps."""
    return [
        KeptHead(d.device.name, d.newest.seen) for d in devices if d.newest is not None and d.newest.seen is not None
    ]


def kept_rows(heads: list[KeptHead], checked: dict[str, str]) -> list[dict[str, object]]:
    """Heads with what comparing the log with each said, where somebody asked."""
    return [
        {
            "device": plain(k.device),
            "compared": [checked.get(written(k.head), "not compared")],
            "entries": k.head.size,
            "root": k.head.root,
        }
        for k in sorted(heads, key=lambda k: (-k.head.size, k.device))
    ]


def entry_rows(entries: list[AuditEntry], action: str, about: str) -> list[dict[str, object]]:
    """The entries that match, newest first."""
    needle = about.strip().casefold()
    return [
        {
            "entry": e.seq,
            "at": e.at,
            "actor": plain(e.actor),
            "action": plain(e.action),
            "subject": plain(e.subject),
            "details": plain(json.dumps(e.details, sort_keys=True, ensure_ascii=False)),
        }
        for e in reversed(entries)
        if action in ("", e.action) and needle in f"{e.subject} {e.actor} {json.dumps(e.details)}".casefold()
    ]


def actions(entries: list[AuditEntry]) -> list[str]:
    """Every action among the entries."""
    return sorted({e.action for e in entries})
