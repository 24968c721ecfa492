"""Start only what may run now, from bytes that were verified for this very start.

Signatures, lease, denials and time are judged again from what the device keeps. The command gets a private read-only
copy that was digested while it was made, so that nothing can be exchanged between the look and the use.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import FrameType

from infra.edge.change import private_copy, tell_anyway, variables
from infra.edge.decide import permitted
from infra.edge.device import Device
from infra.edge.document import utc_text
from infra.edge.errors import EdgeError, Unavailable
from infra.edge.install import in_memory
from infra.edge.permit import permit
from infra.edge.pull import begin
from infra.edge.release import Manifest
from infra.edge.report import tell
from infra.edge.state import State

RELAYED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Verified:
    """A release that may run now, every file verified, in memory."""

    release: str
    number: int
    model: str
    lease_until: datetime
    files: Mapping[str, bytes]


def load(device: Device) -> Verified:
    """The release that may run now as bytes by path; raises the reason where nothing may."""
    with device.locked(), _reported(device):
        state, manifest, lease_until = _allowed(device)
        files = in_memory(manifest, device.release(manifest.id))
        _started(device, state)
        return Verified(manifest.id, manifest.number, manifest.model, lease_until, files)


def start(device: Device, command: list[str]) -> int:
    """Run a command on a private copy of the release that may run now; returns the command's own exit code."""
    with ExitStack() as held:
        with device.locked(), _reported(device):
            state, manifest, lease_until = _allowed(device)
            files, lock = held.enter_context(private_copy(device, manifest, "start"))
            told = {**variables(device, manifest, files), "EDGE_LEASE_UNTIL": utc_text(lease_until)}
            relay = held.enter_context(_relaying())
            process = _spawn(command, {**os.environ, **told}, lock)
            relay.to(process)
            try:
                _started(device, state)
            except BaseException:
                process.kill()
                process.wait()
                raise
        code = process.wait()
    with suppress(EdgeError), device.locked():  # the command's end is what the caller hears
        tell(device, device.state(), "stopped", what=f"the command ended with {code}")
    return code if code >= 0 else 128 - code


def _allowed(device: Device) -> tuple[State, Manifest, datetime]:
    state = begin(device)
    shown = permit(device, state)
    manifest = permitted(device.identity, state, shown, state.current, device.clock())
    return state, manifest, shown.current.lease_until


def _started(device: Device, state: State) -> None:
    times = state.times
    if times and "resumed" not in times:
        times = {**times, "resumed": device.clock()}
    tell(device, device.save(replace(state, times=times, blocked="")), "started", times=times)


def _spawn(command: list[str], environment: dict[str, str], lock: int) -> subprocess.Popen[bytes]:
    """The child holds the copy's lock too, so that the copy stays while the child lives."""
    try:
        return subprocess.Popen(command, env=environment, pass_fds=(lock,))
    except OSError as error:
        what = f"{command[0]} cannot be run: {error.strerror}"
        raise Unavailable("command-failed", what, "name a command that exists here") from error


@contextmanager
def _reported(device: Device) -> Iterator[None]:
    try:
        yield
    except EdgeError as error:
        tell_anyway(device, "blocked", error)
        raise


class _Relay:
    """Signals that end this process go to the command, which ends as it sees fit; also those that come before it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def to(self, process: subprocess.Popen[bytes]) -> None:
        """The command is there."""
        self._process = process
        for number in self._early:
            process.send_signal(number)


@contextmanager
def _relaying() -> Iterator[_Relay]:
    relay = _Relay()
    before = {number: signal.signal(number, relay) for number in RELAYED}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
