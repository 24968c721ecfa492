"""All expectations by the name they have in a suite, and by the short name of their check. A family is a package."""

from __future__ import annotations

from validators.expectations import (
    calibration,
    comparison,
    core,
    integrity,
    labels,
    pictures,
    robot,
    signal,
    terms,
    timing,
)
from validators.expectations.expectation import Expectation

SHIPPED: tuple[type[Expectation], ...] = (
    *integrity.EXPECTATIONS,
    *comparison.EXPECTATIONS,
    *signal.EXPECTATIONS,
    *timing.EXPECTATIONS,
    *pictures.EXPECTATIONS,
    *robot.EXPECTATIONS,
    *labels.EXPECTATIONS,
    *calibration.EXPECTATIONS,
    *terms.EXPECTATIONS,
    *core.EXPECTATIONS,
)
BY_TYPE = {expectation.type: expectation for expectation in SHIPPED}


def explain(check: str) -> str:
    """What a check computes, by its short name or its name in a suite; KeyError when there is none of that name."""
    found = [e for e in SHIPPED if check in (e.check, e.type)]
    if not found:
        raise KeyError(check)
    return "\n\n".join(f"{e.check} ({e.type})\n{_dedented(e)}" for e in found)


def _dedented(expectation: type[Expectation]) -> str:
    return "\n".join(line.removeprefix("    ") for line in (expectation.__doc__ or "").strip().splitlines())
