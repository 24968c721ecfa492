"""What a harness module offers: trials of a model, one inference to time, and actions to compare two models by.

A module says itself what it is, so neither its name nor its origin is typed by the one who evaluates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, cast, runtime_checkable

from catalog.errors import Invalid

GROUP = "assay.harness"  # entry points: a protocol's name = the module that the operator installed for it


class HarnessModule(Protocol):
    """What a harness module offers."""

    NAME: str
    VERSION: str
    ORIGIN: Literal["simulated", "stand-in"]

    def trials(
        self, folder: Path, seeds: Sequence[int], progress: Callable[[int, int], None]
    ) -> Iterator[dict[str, Any]]:
        """One dict a seed: unit, seed, outcome, distance_m, duration_s, assisted, judge."""

    def step(self, folder: Path) -> Callable[[], object]:
        """One inference, sensor to action."""


@runtime_checkable
class Probing(Protocol):
    """A harness by which two models can be compared where their bytes differ: actions on drawn observations."""

    TOLERANCE: float

    def probe(self, folder: Path, seed: int) -> list[float]:
        """The model's actions on the observations that the seed draws, in the action's own unit."""


def checked(name: str, module: object) -> HarnessModule:
    """The module as a harness; raises `Invalid` naming what it lacks."""
    missing = [part for part in ("NAME", "VERSION", "ORIGIN", "trials", "step") if not hasattr(module, part)]
    if missing:
        raise Invalid("input-invalid", f"module {name!r} has no {missing[0]}", do="see docs/evaluation.md")
    found = cast("HarnessModule", module)
    if found.ORIGIN not in ("simulated", "stand-in"):
        raise Invalid("evidence-origin", f"a harness is simulated or stand-in, not {found.ORIGIN!r}")
    return found
