"""Go back: the newest older release that today's floor still allows, or none; one person is enough.

Nothing new becomes allowed by it, and what was gone back from comes again by its name only. Where no release is left,
"none" is what is signed and published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.db.door import Write
from catalog.domain.release import Choice, Release
from catalog.errors import Invalid, Refused
from catalog.services import release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.intent import Kind, Operations, Work, already_running
from catalog.services.publish import publish
from catalog.services.still_allowed import still_allowed


def start(operations: Operations, by: str, device_class: str, to: str | None, reason: str) -> str:
    """Begin a rollback of a class, to one release or to the last good one; returns the operation's id."""
    context = operations.context
    with refusals_audited(context, by, "release.rollback", device_class):
        if device_class not in context.releases.device_classes():
            known = ", ".join(context.releases.device_classes())
            raise Invalid("input-invalid", f"no device class {device_class!r}", do=f"one of {known}")
        if to is not None:
            _may(context, device_class, to)
        already_running(context, "rollback", device_class=device_class)
        # fixed when it is asked for: what is promoted meanwhile does not make the release that is left an older one
        below = left(context, device_class)
        arguments = {"device_class": device_class, "to": to, "reason": reason, "below": below}
        return operations.start("rollback", by, arguments).id


def _may(context: Context, device_class: str, to: str) -> None:
    release = release_records.release(context, to)
    if release.manifest.device_class != device_class or release.allowed_at is None:
        raise Refused(
            "no-release-allowed", f"release {to} was never allowed for {device_class}", do="see `assay release list`"
        )
    if why := still_allowed(context, release).why_not:
        raise Refused("release-denied", f"release {release.manifest.number} is not allowed today: {why}"[:4000])


def older(context: Context, device_class: str, below: int) -> list[Release]:
    """What was allowed before the release of this number, newest first; whether it may run today is asked of each."""
    with context.records.read() as c:
        allowed = release_records.of_class(c, device_class)
    return [r for r in reversed(allowed) if r.manifest.number < below]


def left(context: Context, device_class: str) -> int:
    """The number of the release that is gone back from: the class's choice or, where that is none, the last one."""
    with context.records.read() as c:
        said = release_records.choices(c, device_class)
        last = next((choice.release for choice in said if choice.release is not None), None)
        return release_records.find(c, last).manifest.number if last is not None else 0


def _choose(work: Work) -> None:
    """Find the release and record the choice, once; look again when the epoch rose meanwhile."""
    if "chosen" in work.memory:
        return
    context, arguments = work.context, work.arguments
    while True:
        _, epoch = context.records.head()
        found, why = best(context, arguments["device_class"], arguments["to"], arguments["below"])
        with context.records.write(work.intent.by) as write:
            current = release_records.choice(write.connection, arguments["device_class"])
            if current is not None and current.requested_at == work.intent.started_at:
                break  # recorded before a kill
            if write.epoch != epoch:
                continue
            said = f"rolled back to release {found.manifest.number}" if found else "no release allowed"
            why = why or ([] if found else ["there is no older release"])
            known = current.reason if current is not None and current.release is None and found is None else ""
            parts = (said, arguments["reason"], *why, *known.split("; "))
            reason = "; ".join(dict.fromkeys(part for part in parts if part))
            chosen = Choice(
                device_class=arguments["device_class"],
                release=found.manifest.id if found else None,
                reason=reason[:4000],
                by=write.actor,
                requested_at=work.intent.started_at,
            )
            release_records.choose(write, chosen, "release.choose" if found else "release.unchoose")
            break
    work.memory["chosen"] = True


def best(context: Context, device_class: str, to: str | None, below: int) -> tuple[Release | None, list[str]]:
    """The release a rollback chooses now, or None; and why each newer one is passed over."""
    candidates = [release_records.release(context, to)] if to is not None else older(context, device_class, below)
    why: list[str] = []
    for release in candidates:
        standing = still_allowed(context, release)
        if standing.allowed:
            return release, why
        why.append(f"not release {release.manifest.number}: {standing.why_not}")
    return None, why


def _publish(work: Work) -> None:
    """Bring the repository to the records."""
    publish(work.context)


def _record(work: Work, write: Write) -> dict[str, Any]:
    chosen = release_records.choice(write.connection, work.arguments["device_class"])
    release = release_records.find(write.connection, chosen.release) if chosen is not None and chosen.release else None
    write.audit("release.rollback", work.arguments["device_class"], release=release.manifest.id if release else None)
    gone = _gone_back_from(write, work.arguments)
    return {
        "device_class": work.arguments["device_class"],
        "release": release.manifest.id if release else None,
        "number": release.manifest.number if release else None,
        "name": release.manifest.model_name if release else None,
        "reason": chosen.reason if chosen else "no release allowed",
        "requested_at": work.intent.document()["started_at"],
        "left": gone.manifest.id if gone is not None and gone != release else None,
    }


def _gone_back_from(write: Write, arguments: Mapping[str, Any]) -> Release | None:
    """The release that was left, where it can be come back to by its id: it is not denied."""
    allowed = release_records.of_class(write.connection, arguments["device_class"])
    found = next((r for r in allowed if r.manifest.number == arguments["below"]), None)
    return found if found is not None and not release_records.denied(write.connection, found) else None


def _abandon(_work: Work) -> None:
    """A choice that was recorded stands; the next poll publishes it."""


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"rollback:{arguments['device_class']}"  # not "releases": the staging of a promotion must not hold it up


KIND = Kind("rollback", (_choose, _publish), _record, _abandon, _serial, urgent=True)
