"""A figure: the median of several runs, beside a baseline measured in turn with it, so that the ratio outlives the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Medians in seconds; `note` says what was done and what the baseline is."""

    name: str
    seconds: float
    baseline: str
    baseline_seconds: float
    runs: int
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.seconds / self.baseline_seconds

    def document(self) -> dict[str, Any]:
        """As JSON data, with its ratio."""
        return {**asdict(self), "ratio": round(self.ratio, 3)}

    def line(self) -> str:
        """As one line for people."""
        own, other = in_units(self.seconds), in_units(self.baseline_seconds)
        return f"{self.name:<44} {own:>10}  = {self.ratio:8.2f} × {self.baseline} ({other})"


def in_units(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


def compare(
    name: str,
    work: Callable[[], object],
    baseline_name: str,
    baseline: Callable[[], object],
    *,
    runs: int,
    repeat: int = 1,
    note: str = "",
) -> Figure:
    """Run work and baseline in turn, `runs` times each of `repeat` calls, after one of each to warm up."""
    work(), baseline()
    taken: list[float] = []
    beside: list[float] = []
    for _ in range(runs):
        taken.append(seconds(work, repeat))
        beside.append(seconds(baseline, repeat))
    return Figure(name, statistics.median(taken), baseline_name, statistics.median(beside), runs, note)


def seconds(work: Callable[[], object], repeat: int = 1) -> float:
    """Wall time of one call, from `repeat` calls."""
    started = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - started) / repeat
