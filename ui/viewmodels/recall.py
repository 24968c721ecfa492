"""A recall as people check it before they confirm: what is reached, group by group, and the path that proves each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.domain.model import Model
from catalog.domain.recall import Group, Reach, Reached, Recall
from catalog.domain.release import Withdrawal
from catalog.domain.views import DatasetView
from ui.viewmodels.text import plain, when

SHOWN: tuple[Group, ...] = ("device", "release", "model", "run", "version", "folder", "episode", "evidence", "decision")
WORDS: dict[Group, tuple[str, str]] = {
    "episode": ("episode", "episodes"),
    "version": ("dataset version", "dataset versions"),
    "folder": ("local folder", "local folders"),
    "run": ("training run", "training runs"),
    "model": ("model", "models"),
    "evidence": ("evidence", "evidence"),
    "decision": ("decision", "decisions"),
    "release": ("release", "releases"),
    "device": ("device", "devices"),
    "other": ("other node", "other nodes"),
}
DONE: dict[Group, str] = {
    "device": "known to have had one of these releases; every device of the class is told",
    "release": "denied for good; a class that runs one falls to no release",
    "model": "blocked at the gate",
    "run": "blocked as the origin of any model",
    "version": "no longer given to training while it holds a quarantined episode",
    "folder": "blocked as an input",
    "episode": "quarantined, under any name",
    "evidence": "counts for nothing",
    "decision": "kept as they are; nothing is promoted on them any more",
    "other": "named in the record",
}


@dataclass(frozen=True)
class GroupCard:
    """One group of what is reached: what happens to it, and its members with their proofs."""

    group: Group
    title: str
    done: str
    members: tuple[Reached, ...]


def choices(datasets: list[DatasetView], models: list[Model]) -> dict[str, str]:
    """What can be recalled by name: (what the catalog is asked for) → (what people read)."""
    found: dict[str, str] = {}
    sources = [root.provenance.source for d in datasets for v in d.versions for root in v.manifest.roots]
    for kind, named in (
        ("rig", sorted({r for s in sources for r in s.rigs})),
        ("robot", sorted({s.robot for s in sources})),
        ("site", sorted({x for s in sources for x in s.sites})),
    ):
        found |= {f"{kind}:{name}": f"{kind} · {plain(name)}" for name in named}
    for view in datasets:
        found[f"dataset:{view.slug}"] = f"dataset · {plain(view.slug)}"
        for tag in sorted({v.approval.tag for v in view.versions if v.approval}):
            found[f"{view.slug}@{tag}"] = f"version · {plain(view.slug)} {plain(tag)}"
    found |= {f"model:{m.manifest.name}": f"model · {plain(m.manifest.name)}" for m in models}
    return found


def counted(group: Group, count: int) -> str:
    """`3 episodes`, `1 device`."""
    return f"{count:,} {WORDS[group][count != 1]}"


def headline(reach: Reach) -> str:
    """All that is reached, in one sentence: what is in the field first."""
    said = [counted(g, reach.counts[g]) for g in SHOWN if reach.counts.get(g)]
    if not said:
        return "Nothing was made with it."
    *first, last = said
    return f"It reaches {', '.join(first)} and {last}." if first else f"It reaches {last}."


def cards(reach: Reach) -> list[GroupCard]:
    """What is reached by group, the field first; within one, the nearest first."""
    found = []
    for group in SHOWN:
        members = tuple(r for r in reach.reached if r.group == group)
        if members:
            found.append(GroupCard(group, _title(reach, group, len(members)), DONE[group], members))
    return found


def _title(reach: Reach, group: Group, members: int) -> str:
    """How many they are; an episode that lies in many versions is many members."""
    title = counted(group, reach.counts.get(group, members))
    return title if reach.counts.get(group, members) == members else f"{title}, in {members:,} places"


def member(reached: Reached) -> str:
    """One node as people call it."""
    return plain(reached.label) + (" (withdrawn already)" if reached.denied else "")


def proof(reach: Reach, reached: Reached) -> list[str]:
    """The shortest path from where the recall begins, one step a line."""
    labels = {r.urn: r.label for r in reach.reached}
    if not reached.path:
        return [f"{plain(reached.label)} is what is recalled"]
    first = reached.path[0].src
    lines = [plain(labels.get(first, first))]
    for hop, before in zip(reached.path, (None, *reached.path), strict=False):
        if reached.left_out and before is not None and before.dst != hop.src:
            lines.append(f"  … {reached.left_out} more …")
        lines.append(f"  → {plain(hop.kind)} → {plain(labels.get(hop.dst, hop.dst))}")
    return lines


def member_rows(reach: Reach, members: tuple[Reached, ...]) -> list[dict[str, object]]:
    """Many members as a table, each with its path in one line."""
    return [
        {
            "name": member(r),
            "steps": len(r.path) + r.left_out,
            "path": " ".join(" ".join(proof(reach, r)).split()),
            "urn": plain(r.urn),
        }
        for r in members
    ]


def sure(reach: Reach) -> str:
    """What is confirmed, in one sentence."""
    acted = [counted(g, reach.counts[g]) for g in ("episode", "model", "release", "device") if reach.counts.get(g)]
    return f"Recall {plain(reach.what)}: {', '.join(acted) or 'nothing else'}. It cannot be undone."


def recalled(done: dict[str, Any]) -> tuple[bool, str]:
    """What a recall did: blocked here is not heard there."""
    denied = f"{len(done['denied'])} releases denied" if done["denied"] else "no release rested on it"
    return True, plain(
        f"Recalled {done['what']}: everything it reached is blocked; {denied}. Devices are listed below."
    )


def recall_rows(recalls: list[Recall]) -> list[dict[str, object]]:
    """Recalls that were done, newest first."""
    return [
        {
            "done": r.at,
            "what": plain(r.what),
            "reason": plain(r.reason),
            "by": plain(r.by),
            "reached": ", ".join(counted(g, r.counts[g]) for g in SHOWN if r.counts.get(g)),
            "releases denied": len(r.denied),
        }
        for r in reversed(recalls)
    ]


def recall_name(recall: Recall) -> str:
    """How one recall is chosen from a list."""
    return plain(f"{when(recall.at)} · {recall.what}")


def withdrawal_headline(withdrawal: Withdrawal) -> str:
    """How far the devices have heard, never more than was said by them."""
    if not withdrawal.denials:
        return "No release rested on it, so no device has anything to hear."
    out = f"Withdrawal published {when(withdrawal.published_at)}" if withdrawal.published_at else "Not published yet"
    heard = sum(d.acknowledged for d in withdrawal.devices)
    return f"{out}; {heard} of {len(withdrawal.devices)} devices acknowledged it."


def withdrawal_rows(withdrawal: Withdrawal, known: dict[str, str]) -> list[dict[str, object]]:
    """Per device: acknowledged, or pending until its exposure ends."""
    return [
        {
            "heard": ["acknowledged" if d.acknowledged else "never heard" if d.last_seen is None else "pending"],
            "device": plain(d.device),
            "has": known.get(d.release, plain(d.release)) if d.release else "no release" if d.last_seen else "",
            "last seen": d.last_seen,
            "exposure until": d.exposure_until,
        }
        for d in sorted(withdrawal.devices, key=lambda d: (d.acknowledged, d.device))
    ]
