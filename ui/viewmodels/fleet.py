"""The fleet as somebody under pressure reads it: what runs where, who has not heard, what going back brings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from catalog.domain.device import ChangeTimes, DeviceView
from catalog.domain.fleet import ClassView
from catalog.domain.release import Release, ReleaseView, Withdrawal
from ui.viewmodels.text import plain, when

Row = dict[str, object]
STATES = {"chosen": "green", "published": "blue", "allowed": "orange", "denied": "red", "proposed": "gray"}
SHOWN = 5  # devices named in a sentence; the table has all of them


@dataclass(frozen=True)
class ClassCard:
    """One class, ready to show; `bad` are sentences that need somebody's attention."""

    device_class: str
    headline: str
    colour: str
    reason: str
    lease: str
    heard: str
    heard_colour: str
    waits_for: tuple[str, ...]
    bad: tuple[str, ...]
    devices: tuple[DeviceView, ...]
    back_label: str
    back_brings: str
    passed_over: tuple[str, ...]
    back_reach: tuple[str, ...]
    back_key: str
    back_good: bool
    can_go_back: bool


def name(release: Release) -> str:
    """How people call a release."""
    return plain(f"release {release.manifest.number} · {release.manifest.model_name}")


def names(releases: Iterable[ReleaseView]) -> dict[str, str]:
    """Id to name."""
    return {v.release.manifest.id: name(v.release) for v in releases}


def called(release: str | None, known: dict[str, str]) -> str:
    """A release by its name; one that the catalog does not know says so, and none is none."""
    if release is None:
        return "no release"
    return known.get(release, f"unknown release {plain(release)}")


def cards(
    classes: list[ClassView], releases: list[ReleaseView], devices: list[DeviceView], now: datetime
) -> tuple[list[ClassCard], list[str]]:
    """The classes in use, those that need attention first; and the names of those that nobody uses."""
    known = names(releases)
    used: list[ClassCard] = []
    idle: list[str] = []
    for view in classes:
        own = [d for d in devices if d.device.device_class == view.device_class and d.device.retired_at is None]
        if view.choice is None and not own:
            idle.append(plain(view.device_class))
        else:
            used.append(_card(view, own, known, now))
    return sorted(used, key=lambda card: (not card.bad, card.device_class)), sorted(idle)


def _card(view: ClassView, devices: list[DeviceView], known: dict[str, str], now: datetime) -> ClassCard:
    chosen = view.choice.release if view.choice is not None else None
    told = view.published.release if view.published is not None else None
    heard = sum(d.acknowledged for d in devices)
    everybody = heard == len(devices)
    headline = called(told, known) if chosen is not None or told is not None else "no release allowed"
    if view.choice is None:
        headline = "nothing was promoted yet"
    return ClassCard(
        device_class=plain(view.device_class),
        headline=headline[0].upper() + headline[1:],
        colour="green" if told is not None and told == chosen else "red",
        reason=_reason(view),
        lease=_lease(view, now),
        heard=_heard(heard, len(devices)),
        waits_for=tuple(_waits_for(devices)),
        heard_colour="green" if everybody and devices else "orange",
        bad=tuple(_bad(view, devices, known, now)),
        devices=tuple(devices),
        back_label=f"Go back to release {view.back.manifest.number}" if view.back else "Go back to no release",
        back_brings=_brings(view),
        passed_over=tuple(_passed_over(view)),
        back_reach=tuple(_back_reach(view, devices, known)),
        back_key=f"{view.device_class}-{chosen}-{view.back.manifest.id if view.back else None}",
        back_good=view.back is not None,
        can_go_back=chosen is not None or view.back is not None,
    )


def _reason(view: ClassView) -> str:
    if view.choice is None:
        return ""
    said = view.published.reason if view.published is not None else view.choice.reason
    return plain(f"{said} (asked for by {view.choice.by}, {when(view.choice.requested_at)})")


def _lease(view: ClassView, now: datetime) -> str:
    if view.published is None or view.published.release is None:
        return ""
    end = view.published.lease_until
    if end <= now:
        return f"the lease ended {when(end)}: no device may start it until the service publishes again"
    return f"a device that hears nothing more stops starting it at {when(end)}"


def _heard(heard: int, devices: int) -> str:
    if not devices:
        return "no device enrolled"
    if heard == devices:
        return f"all {devices} devices acknowledged" if devices > 1 else "its one device acknowledged"
    return f"{heard} of {devices} devices acknowledged"


def _waits_for(devices: list[DeviceView]) -> list[str]:
    """Who has not said that it has what was chosen."""
    pending = [d.device.name for d in devices if heard_word(d) == "pending"]
    silent = [d.device.name for d in devices if heard_word(d) == "never heard"]
    parts = [f"not yet: {_listed(pending)}"] if pending else []
    parts += [f"never heard: {_listed(silent)}"] if silent else []
    return parts


def _bad(view: ClassView, devices: list[DeviceView], known: dict[str, str], now: datetime) -> list[str]:
    found = []
    chosen = view.choice.release if view.choice is not None else None
    if view.choice is not None and view.published is None:
        found.append("The choice is recorded and not published yet: devices have not been told.")
    elif view.published is not None and view.published.release != chosen:
        found.append(
            f"Chosen is {called(chosen, known)}; devices are told {called(view.published.release, known)}: "
            f"{plain(view.published.reason)}"
        )
    if view.published is not None and view.published.lease_until <= now:
        found.append(f"The lease ended {when(view.published.lease_until)} and was not renewed: is the service running?")
    if view.question:
        found.append(plain(f"{view.question} Recall or withdraw it, or leave it."))
    exposed = [d for d in devices if d.pending]
    if exposed:
        ends = [d.exposure_until for d in exposed if d.exposure_until is not None]
        until = f" Exposure ends {when(max(ends))} at the latest." if len(ends) == len(exposed) else ""
        said = _listed([d.device.name for d in exposed])
        found.append(f"Not yet heard of a withdrawal: {said}.{until}")
    refused = [d for d in devices if d.newest is not None and d.newest.event in ("refused", "unhealthy", "blocked")]
    found += [f"{_device(d)} reported {d.newest.event}: {plain(d.newest.what)}" for d in refused[:SHOWN] if d.newest]
    return found


def _device(view: DeviceView) -> str:
    return plain(view.device.name)


def _listed(found: list[str]) -> str:
    shown = ", ".join(plain(f) for f in found[:SHOWN])
    return shown + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _brings(view: ClassView) -> str:
    if view.back is not None:
        return plain(f"brings {view.back.manifest.model_name}")
    if view.choice is None:
        return "Nothing was promoted yet, so there is nothing to go back to."
    return "Today's floor allows no release to go back to."


def _passed_over(view: ClassView) -> list[str]:
    return [f"Passed over: {plain(why)}" for why in view.passed_over[:SHOWN]]


def _back_reach(view: ClassView, devices: list[DeviceView], known: dict[str, str]) -> list[str]:
    """What going back would do, before anything is done."""
    chosen = called(view.choice.release, known) if view.choice is not None else "nothing"
    if view.back is not None:
        lines = [f"Instead of {chosen}, class {plain(view.device_class)} gets {name(view.back)}."]
        lines.append("Today's floor allows it, and it was not withdrawn.")
    else:
        lines = [f"Today's floor allows no older release than {chosen}. Devices are told: no release allowed."]
        lines.append("They start nothing; what a running robot does is the site's declared action.")
    lines += _passed_over(view)
    reached = _listed([d.device.name for d in devices]) if devices else "no device"
    lines.append(f"It reaches {reached}.")
    return lines


def device_rows(devices: Iterable[DeviceView], known: dict[str, str]) -> list[Row]:
    """One row a device: what it last said of itself, whether it has heard, and when each state was reached."""
    rows: list[Row] = []
    for view in sorted(devices, key=lambda d: (d.acknowledged, d.device.name)):
        newest = view.newest
        rows.append(
            {
                "heard": [heard_word(view)],
                "device": _device(view),
                "class": plain(view.device.device_class),
                "has": called(newest.release, known) if newest is not None else "",
                "said": plain(f"{newest.event} {newest.what}") if newest is not None else "",
                "last seen": view.last_seen,
                "exposure until": view.exposure_until,
                "last change": change(newest.times) if newest is not None else "",
            }
        )
    return rows


def change(times: ChangeTimes) -> str:
    """When each state of the last change was reached: the first as a time, the others as seconds after it."""
    reached = [(field.replace("_", " "), at) for field, at in times if at is not None]
    if not reached:
        return ""
    (first, begun), *rest = reached
    return f"{first} {begun:%H:%M:%S} UTC" + "".join(f" → {n} {(at - begun).total_seconds():+.2f} s" for n, at in rest)


def heard_word(view: DeviceView) -> str:
    """Whether the device has said that it has what was chosen and knows every withdrawal."""
    if view.device.retired_at is not None:
        return "retired"
    if view.newest is None:
        return "never heard"
    return "acknowledged" if view.acknowledged else "pending"


def state(view: ReleaseView) -> str:
    """The state of a release in one word."""
    return "chosen" if view.chosen and view.state in ("allowed", "published") else view.state


def release_rows(releases: list[ReleaseView], device_class: str | None = None) -> list[Row]:
    """Every release and proposal, newest first."""
    rows: list[Row] = []
    for view in reversed(releases):
        manifest = view.release.manifest
        if device_class is not None and manifest.device_class != device_class:
            continue
        rows.append(
            {
                "state": [state(view)],
                "class": plain(manifest.device_class),
                "release": manifest.number,
                "model": plain(manifest.model_name),
                "signed by": ", ".join(plain(s.principal) for s in view.signatures) or "nobody",
                "why denied": "; ".join(plain(d.reason) for d in view.denials),
                "proposed": view.release.proposed_at,
                "allowed": view.release.allowed_at,
                "published": view.release.published_at,
                "id": manifest.id,
            }
        )
    return rows


def withdrawable(releases: list[ReleaseView]) -> list[ReleaseView]:
    """What can be withdrawn: allowed once and not denied; what is chosen first, then the newest."""
    found = [v for v in releases if v.state in ("allowed", "published")]
    return sorted(found, key=lambda v: (v.chosen, v.release.manifest.id), reverse=True)


def withdrawal_reach(view: ReleaseView, devices: list[DeviceView], all_releases: list[ReleaseView]) -> list[str]:
    """What a withdrawal does, before it is done."""
    manifest = view.release.manifest
    own = [d for d in devices if d.device.device_class == manifest.device_class and d.device.retired_at is None]
    running = [d.device.name for d in own if d.newest is not None and d.newest.release == manifest.id]
    installed = _listed(running) if running else "none of them"
    lines = [
        f"{name(view.release)} of class {plain(manifest.device_class)} is denied for good; nothing can allow it again.",
        f"{len(own)} devices of the class are told; it is installed on {installed}.",
    ]
    same = [
        v
        for v in all_releases
        if v.release.manifest.model == manifest.model
        and v.release.manifest.id != manifest.id
        and v.state in ("allowed", "published")
    ]
    lines += [
        f"Denied with it, being the same model: {name(v.release)} of {v.release.manifest.device_class}." for v in same
    ]
    if view.chosen:
        lines.append("It is what the class should run: afterwards no release is allowed there until you go back.")
    lines.append("A device that does not hear of it may run on until its lease ends, and not longer.")
    return lines


def gone_back(done: dict[str, object]) -> tuple[bool, str]:
    """What a rollback did, and how to come back; none left is said as what it is."""
    again = f"assay rollback --device-class {done['device_class']} --to {done['left']}"
    back = f" To come back: {again}" if done["left"] else ""
    if done["release"] is None:
        return False, plain(f"No release is allowed for class {done['device_class']} now: {done['reason']}.{back}")
    said = f"Class {done['device_class']} goes back to release {done['number']} · {done['name']}"
    return True, plain(f"{said}. Published; each device says below when it has it.{back}")


def withdrawn(name_: str, standing: Withdrawal) -> tuple[bool, str]:
    """What a withdrawal did: published is not heard."""
    if standing.published_at is None:
        return False, plain(f"Denied: {name_}. The withdrawal is recorded and not published yet.")
    heard = sum(d.acknowledged for d in standing.devices)
    said = f"Withdrawal of {name_} published {when(standing.published_at)}"
    return True, plain(f"{said}; {heard} of {len(standing.devices)} devices acknowledged every withdrawal.")
