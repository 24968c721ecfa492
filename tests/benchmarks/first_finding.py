"""`assay check` on a folder with videos, in a terminal: how long until the first finding is seen, and until the end."""

from __future__ import annotations

import os
import pty
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figure import Figure, seconds

G1 = Path(__file__).resolve().parents[3] / "shared/data/lerobot_v21_unitree_g1"
RUNS = 5


def figures(_folder: Path) -> Iterator[Figure]:
    """Until the first finding and until the end, against an interpreter that does nothing."""
    if not G1.is_dir():
        print("the recording of the G1 is not beside the checkout, so the first finding is not timed", file=sys.stderr)
        return
    _watched()
    taken = [_watched() for _ in range(RUNS)]
    nothing = statistics.median(seconds(_pass) for _ in range(RUNS))
    for name, place in (("first finding", 0), ("the whole verdict", 1)):
        median = statistics.median(t[place] for t in taken)
        yield Figure(f"assay check G1, videos too: {name}", median, "python -c pass", nothing, RUNS)


def _pass() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def _watched() -> tuple[float, float]:
    """Seconds until a terminal shows the first finding, and until the command has ended."""
    ours, theirs = pty.openpty()
    started = time.perf_counter()
    words = [sys.executable, "-m", "catalog.cli.main", "check", str(G1)]
    child = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen, first = b"", 0.0
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not part:
            break
        seen += part
        if not first and b"are here, info.json declares" in seen:
            first = time.perf_counter() - started
    child.wait()
    os.close(ours)
    return first, time.perf_counter() - started
