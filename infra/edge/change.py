"""From one release to another: the site's safe state, the swap, the health check, and back if it is not healthy.

Assay commands no motion and no stop: `safe_state` and `health` are the site's own commands. The swap is one write of
the state; a crash anywhere leaves the old release or the new one on trial, and the trial is ended at the next act.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from infra.edge.decide import Shown, permitted
from infra.edge.device import Device
from infra.edge.errors import EdgeError, Refused
from infra.edge.formats import contract
from infra.edge.install import copy
from infra.edge.permit import permit
from infra.edge.release import Manifest
from infra.edge.report import tell
from infra.edge.state import State

PATIENCE = 120  # seconds for a command of the site
CONTRACT = "contract.json"
NONE_DECLARED = "safe state: none declared"


def swap(device: Device, state: State, shown: Shown, manifest: Manifest) -> State:
    """Make an installed release the current one, and go back if it is not healthy; raises where nothing may run."""
    times = {"requested": shown.current.requested_at}
    if device.enrolment.safe_state:
        _site(device, device.enrolment.safe_state, "safe-state-failed", {})
        times["safe_state"] = device.clock()
    coming = replace(state, current=manifest.id, previous=_good(state, manifest.id), trial=True, times=times)
    return settle(device, _swapped(device, coming), shown)


def _swapped(device: Device, state: State) -> State:
    """Write the state that is the swap, and then when it was: a crash in between leaves a swap without its time."""
    state = device.save(state)
    return device.save(replace(state, times={**state.times, "swapped": device.clock()}))


def _good(state: State, coming: str) -> str | None:
    """The last release that was healthy here and is not denied: what there is to go back to."""
    known = (None if state.trial else state.current, state.previous)
    return next((r for r in known if r not in {None, coming} and r not in state.denials.releases), None)


def settle(device: Device, state: State, shown: Shown) -> State:
    """End a trial: healthy, or back to the previous release while that may run, or nothing."""
    while state.trial and state.current is not None:
        manifest = permitted(device.identity, state, shown, state.current, device.clock())
        try:
            healthy(device, manifest)
        except Refused as unhealthy:
            state = _leave(device, state, shown, unhealthy)
            continue
        state = device.save(replace(state, trial=False, times={**state.times, "healthy": device.clock()}))
        event = "installed" if state.current == shown.current.release else "returned"
        said = "" if device.enrolment.safe_state else NONE_DECLARED
        return tell(device, state, event, what=said, times=state.times)
    if state.current is None:
        what = "the release is not healthy here, and there is none to go back to"
        raise Refused("unhealthy", what, "look at the health check, then promote or roll back")
    return state


def _leave(device: Device, state: State, shown: Shown, why: Refused) -> State:
    """Off an unhealthy release, to the previous one if that may run."""
    failed, back = str(state.current), state.previous
    try:
        if back is not None:
            permitted(device.identity, state, shown, back, device.clock())
    except Refused:
        back = None
    unhealthy = {**state.unhealthy, failed: shown.current.requested_at}
    state = replace(state, current=back, previous=None, trial=back is not None, unhealthy=unhealthy)
    said = Refused("unhealthy", f"release {failed}: {why.what}", why.do)
    return tell(device, _swapped(device, state), "unhealthy", said)


def healthy(device: Device, manifest: Manifest) -> None:
    """Raise `Refused("unhealthy")` unless every file is what was signed, its header reads, and the check says yes."""
    with private_copy(device, manifest, "health") as (files, _):
        contract(files / CONTRACT)
        if device.enrolment.health:
            _site(device, device.enrolment.health, "unhealthy", variables(device, manifest, files))


@contextmanager
def private_copy(device: Device, manifest: Manifest, purpose: str) -> Iterator[tuple[Path, int]]:
    """A verified read-only copy of a release, of this process alone, and the lock that stands for it."""
    with device.working_copy(f"{purpose}-{os.getpid()}") as (folder, lock):
        copy(manifest, device.release(manifest.id), folder)
        yield folder, lock


def variables(device: Device, manifest: Manifest, files: Path) -> dict[str, str]:
    """What a command is told of the release, in its environment."""
    return {
        "EDGE_HOME": str(device.home),
        "EDGE_FILES": str(files),
        "EDGE_RELEASE": manifest.id,
        "EDGE_RELEASE_NUMBER": str(manifest.number),
        "EDGE_MODEL": manifest.model,
        "EDGE_MODEL_NAME": manifest.model_name,
    }


def watch(device: Device) -> State:
    """Notice that what is current may run no more, or again: the site's safe state once, and one report."""
    state = device.state()
    try:
        permitted(device.identity, state, permit(device, state), state.current, device.clock())
    except EdgeError as why:
        if not state.permit:
            return state
        return tell(device, state, "blocked", why) if why.kind == state.blocked else _block(device, state, why)
    return device.save(replace(state, blocked="")) if state.blocked else state


def _block(device: Device, state: State, why: EdgeError) -> State:
    times: Mapping[str, datetime] = {}
    said = NONE_DECLARED
    if device.enrolment.safe_state and not state.blocked:
        try:
            _site(device, device.enrolment.safe_state, "safe-state-failed", {})
            times, said = {"safe_state": device.clock()}, "safe state: reached"
        except Refused as failed:
            said = f"safe state: {failed.what}"
    elif state.blocked:
        said = "safe state: asked before"
    state = device.save(replace(state, blocked=why.kind))
    return tell(device, state, "blocked", type(why)(why.kind, f"{why.what}; {said}", why.do), times=times)


def _site(device: Device, command: tuple[str, ...], kind: str, told: dict[str, str]) -> None:
    """Run one of the site's commands; raises `Refused(kind)` unless it ends with 0 in time."""
    environment = {**os.environ, "EDGE_HOME": str(device.home), **told}
    try:
        ended = subprocess.run(
            command, env=environment, timeout=PATIENCE, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(kind, f"{command[0]} did not end within {PATIENCE} s", "look at that command") from error
    except OSError as error:
        raise Refused(kind, f"{command[0]} cannot be run: {error.strerror}", "look at that command") from error
    if ended.returncode != 0:
        said = ended.stderr.decode("utf-8", "replace").strip()[-500:]
        raise Refused(kind, f"{command[0]} ended with {ended.returncode}: {said}", "look at that command")


def tell_anyway(device: Device, event: str, said: EdgeError) -> None:
    """Report a refusal where the disk takes it; the refusal itself is what the caller hears."""
    with suppress(EdgeError):
        tell(device, device.state(), event, said)
