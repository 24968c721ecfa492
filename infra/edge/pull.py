"""Fetch what is signed, decide, install: the device's whole update, with nothing half-done at any moment.

Order matters: denials are kept first, then the new permit, then files are fetched, then the state is swapped. Whatever
fails, the newest signed permit and what is installed still agree or nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from infra.edge.change import healthy, settle, swap, watch
from infra.edge.decide import Shown, decide, learn, permitted
from infra.edge.device import Device
from infra.edge.disk import remove
from infra.edge.errors import EdgeError, Refused, Unavailable
from infra.edge.fetch import Source
from infra.edge.install import install, verify
from infra.edge.permit import chain, permit, read_permit, remembered
from infra.edge.release import DENIED, Current, DenyList, Manifest
from infra.edge.report import tell
from infra.edge.state import State
from infra.edge.trust import Fetched


@dataclass(frozen=True)
class Outcome:
    """What a pull did: the release that is current now, and when each state of a change was reached."""

    event: str
    release: str
    number: int
    model_name: str
    lease_until: datetime
    times: Mapping[str, datetime]


def pull(device: Device, source: Source) -> Outcome:
    """Bring the device to what is signed for it; raises the refusal where something or everything is refused."""
    with device.locked():
        state = begin(device)
        try:
            done = _pull(device, state, source)
        except (Refused, Unavailable) as error:
            _told(device, error)
            raise
        watch(device)
        return done


def _told(device: Device, error: EdgeError) -> None:
    """Report a refusal once: as `blocked` where it leaves nothing to run. The caller hears the refusal itself."""
    with suppress(EdgeError):
        if watch(device).blocked != error.kind and not error.kind.startswith("source-"):
            tell(device, device.state(), "refused", error)


def begin(device: Device) -> State:
    """Every act begins here: leftovers removed, the time remembered, denials read again, an open trial ended."""
    state = device.state()
    device.clean(state)
    now = state.at_least(device.clock())
    if now.permit:
        try:
            now = remembered(device, now)
        except Refused:
            return device.save(now)  # what is kept does not hold; every permission asked of it is refused, too
    state = device.save(now)
    return _end_trial(device, state) if state.trial else state


def _end_trial(device: Device, state: State) -> State:
    try:
        return settle(device, state, permit(device, state))
    except Refused:
        return device.state()  # whether anything may run is asked again by what follows


def _pull(device: Device, state: State, source: Source) -> Outcome:
    state, files, shown = fetch(device, state, source)
    decision = decide(device.identity, state, shown, device.clock())
    if decision.refused is not None:
        device.save(decision.state)
        raise decision.refused
    state = device.save(replace(decision.state, permit=device.keep(files)))
    if decision.release is None:
        raise decision.nothing or Refused("no-release-allowed", "no release is allowed now")
    manifest = decision.release
    if manifest.id == state.current and not state.trial:
        _repair(device, manifest, source)
        return _outcome(device, tell(device, state, "current"), shown, {})
    state = _change(device, state, shown, manifest, source)
    return _outcome(device, state, shown, state.times)


def fetch(device: Device, state: State, source: Source) -> tuple[State, dict[str, bytes], Shown]:
    """Everything signed that matters here, verified; denials are in the state before anything else is judged."""
    own, folder = device.identity.device_class, device.home / "incoming" / "metadata"
    kept = {name: data for name, data in device.kept(state.permit).items() if "/" not in name and name != DENIED}
    try:
        at = state.judged(device.clock())
        fetched = Fetched(folder, kept, device.root(), device.enrolment.root_digest, source, at)
        denied, current = fetched.target(DENIED), fetched.target(f"current/{own}.json")
        if denied is not None and (learned := learn(state, DenyList.parse(denied))) is not state:
            state = device.save(learned)
        if denied is None or current is None:
            what = f"nothing was ever chosen for class {own}"
            raise Refused("no-release-allowed", what, "promote a release for this class")
        files = {**fetched.files(own), DENIED: denied, f"current/{own}.json": current}
        roles, choice = chain(device, files, state, fresh=True), Current.parse(current)
        for release in {choice.release, state.current, state.previous} - {None}:
            listed = roles.listed(f"{own}/{release}.json") if choice.names(str(release)) else None
            if listed is not None:
                files[listed.path] = fetched.manifest(listed)
        return state, files, read_permit(device, roles, files)
    finally:
        remove(folder)


def _change(device: Device, state: State, shown: Shown, manifest: Manifest, source: Source) -> State:
    failed = state.unhealthy.get(manifest.id)
    if failed is not None and failed >= shown.current.requested_at:
        what = f"release {manifest.number} was not healthy here; it is not tried again as it is requested now"
        raise Refused("unhealthy", what, "look at the health check, then promote or roll back")
    _repair(device, manifest, source)
    return swap(device, state, shown, manifest)


def _repair(device: Device, manifest: Manifest, source: Source) -> None:
    """Install what is not on the disk as it was signed."""
    folder = device.release(manifest.id)
    try:
        verify(manifest, folder)
    except Refused:
        install(manifest, source, device.home / "incoming" / manifest.id, folder)


def _outcome(device: Device, state: State, shown: Shown, times: Mapping[str, datetime]) -> Outcome:
    manifest = permitted(device.identity, state, shown, state.current, device.clock())
    event = "returned" if manifest.id != shown.current.release else "installed" if times else "current"
    return Outcome(event, manifest.id, manifest.number, manifest.model_name, shown.current.lease_until, times)


def check_health(device: Device) -> None:
    """Ask the site's health check about what is current; an unhealthy release is reported, and nothing is swapped."""
    with device.locked():
        state = begin(device)
        manifest = permitted(device.identity, state, permit(device, state), state.current, device.clock())
        try:
            healthy(device, manifest)
        except Refused as why:
            tell(device, state, "unhealthy", why)
            raise


def offline(device: Device) -> EdgeError | None:
    """Judge again without any source: what a device that hears nothing does at each poll."""
    with device.locked():
        begin(device)
        state = watch(device)
        try:
            permitted(device.identity, state, permit(device, state), state.current, device.clock())
        except EdgeError as why:
            return why
        return None
