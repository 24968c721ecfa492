"""Run trials in the harness that the operator installed for a protocol, in a child that has nothing to give away.

Never a module that evidence names: the entry point group `assay.harness` says which module runs a protocol. What the
child answers is parsed strictly; a child that ends early, answers anything else or takes too long has failed.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import Field

from catalog.domain.base import Entity
from catalog.domain.evidence import Harness
from catalog.domain.harness import GROUP
from catalog.domain.run import numeric
from catalog.errors import AssayError, Unavailable

Command = tuple[str, ...]
Tick = Callable[[float], None]
LINE = 400  # bytes of an answer, at most
GRACE = 2.0  # seconds for a child that has said all to end by itself
STEP = 0.2  # seconds between two looks at whether somebody cancelled


class Outcome(Entity):
    """One trial as the installed harness ran it."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    outcome: Literal["success", "failure"]
    distance_m: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Simulated:
    """What the harness says it is, and its outcome of every seed asked for."""

    harness: Harness
    outcomes: Mapping[int, Outcome]
    seconds: float


class Failed(Exception):
    """The harness did not answer for every seed; why."""


def installed(protocol: str) -> Command:
    """The command that runs a protocol's installed harness; raises `Unavailable` where there is not exactly one."""
    found = entry_points(group=GROUP, name=protocol)
    modules = sorted({entry.module for entry in found})
    if len(modules) != 1:
        what = "no harness is" if not modules else f"{len(modules)} harnesses ({', '.join(modules)}) are"
        do = f"install one package with an entry point {protocol!r} in group {GROUP!r}"
        raise Unavailable("part-missing", f"{what} installed for protocol {protocol}", do=do)
    return (sys.executable, "-I", "-m", "catalog.services.harness_child", modules[0])


def simulate(
    command: Command, files: Mapping[str, bytes], seeds: Sequence[int], seconds: float, tick: Tick
) -> Simulated:
    """Run the seeds' trials of a model, given as verified bytes; `tick` hears the share done; raises `Failed`."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="assay-replay-") as temporary:
        work = Path(temporary)
        for path, content in files.items():
            target = work / "model" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (work / "here").mkdir()
        (work / "seeds").write_text(json.dumps(list(seeds)))
        with (work / "seeds").open("rb") as asked, (work / "said").open("w+b") as said:
            process = subprocess.Popen(
                [*command, str(work / "model")],
                cwd=work / "here",
                env=bare_environment(work / "here"),
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
            try:
                lines = _lines(process, 1 + len(seeds), started + seconds, tick)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=GRACE)
            finally:
                end_group(process)
            said.seek(max(0, said.seek(0, os.SEEK_END) - LINE))
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    harness, outcomes = _parsed(lines, seeds, last[0] if last else f"it ended with status {process.returncode}")
    return Simulated(harness, outcomes, time.monotonic() - started)


def bare_environment(home: Path) -> dict[str, str]:
    """An environment in which nothing names the catalog, its keys, a token or a proxy."""
    return {"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"} | numeric(os.environ)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child that leads its own group, with all that it started, and wait for it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _lines(process: subprocess.Popen[bytes], count: int, deadline: float, tick: Tick) -> list[bytes]:
    """What the child writes until it has said all; raises `Failed` when it is too late or too much."""
    out: IO[bytes] | None = process.stdout
    if out is None:
        raise Failed("the installed harness has no standard output")
    text = bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(out, selectors.EVENT_READ)
        while True:
            done = text.count(b"\n")
            tick(min(1.0, done / count))
            if time.monotonic() > deadline:
                raise Failed(f"the installed harness answered for {max(0, done - 1)} of {count - 1} trials in time")
            if not ready.select(STEP):
                continue
            if not (part := os.read(out.fileno(), 65536)):
                return bytes(text).splitlines()
            text += part
            if len(text) > LINE * count:
                raise Failed("the installed harness wrote more than was asked for")


def _parsed(lines: Sequence[bytes], seeds: Sequence[int], last: str) -> tuple[Harness, dict[int, Outcome]]:
    if len(lines) != 1 + len(seeds):
        raise Failed(f"the installed harness answered for {max(0, len(lines) - 1)} of {len(seeds)} trials: {last}")
    try:
        harness = Harness.parse(lines[0])
        outcomes = {o.seed: o for o in map(Outcome.parse, lines[1:])}
    except AssayError as error:
        raise Failed(f"what the installed harness answered is no trial: {error}") from error
    if outcomes.keys() != set(seeds):
        raise Failed("the installed harness answered for other seeds than were asked for")
    return harness, outcomes
