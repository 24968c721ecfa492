"""The facts that rules may read, with their types and units: a section that nobody could establish is None.

A rule names a fact by its path, such as `success.lower` or `roots` (a list, read with `all` or `exists`). A number's
unit is the ending of its name (`_ms`, `_m`, …); without one, whole numbers are counts and others are ratios. Facts are
filled by the catalog from what it computed or verified, never copied from a claim.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from catalog.domain.base import Count, Entity, Name, Slug

UNITS = ("ratio", "count", "mm", "m", "ms", "s", "hours", "days", "hz", "deg", "n_cm2", "n")


class _Facts(Entity):
    def facts(self) -> dict[str, Any]:
        """Plain data without what is unknown; what `evaluate` takes."""
        return self.model_dump(mode="json", exclude_none=True)


class CheckFacts(Entity):
    """The check of this commit. `suites_known`: every root was judged by the suite of its robot's record, whose digest
    the policy names."""

    passed: bool
    blocking: Count
    warnings: Count
    not_evaluable_required: Count
    episodes: Count
    objects_verified: Count
    suites_known: bool


class RootFacts(Entity):
    """One recording of the version, as its manifest says; `origin` as the catalog derives it.

    `robot_recorded`: a steward recorded this robot, so that suite and limits did not come from the data itself.
    """

    slug: Slug
    kind: Name
    origin: Name
    robot: Name
    robot_recorded: bool
    licence: Name
    consent: Name


class DatasetFacts(_Facts):
    """What the rules of a `dataset-approval` policy read."""

    check: CheckFacts | None = None
    roots: tuple[RootFacts, ...] | None = None


class SliceFacts(Entity):
    """One slice of the trials; `lower` at the attempt's alpha, which is not divided among slices."""

    name: Name
    n: Count
    successes: Count
    lower: float


class SuccessFacts(Entity):
    """The table of trials, counted again. `lower` is the bound at this attempt's `alpha` (absent where not proven);

    `confidence` is that of the whole release cycle; `repeated` and `assisted` are trials that did not count as success.
    `replayed` trials were run again by the catalog, `replay_differing` of them with another outcome.
    """

    n: Count
    returned: Count
    repeated: Count
    assisted: Count
    successes: Count
    lower: float | None = None
    alpha: float
    confidence: float
    attempt: Count
    origin: Name
    replayed: Count | None = None
    replay_differing: Count | None = None
    within_m: float | None = None
    slices: tuple[SliceFacts, ...] | None = None


class LoadFacts(Entity):
    """Latency under one load. `p99_ms` is an upper bound, absent when the blocks are incomplete or prove nothing."""

    blocks: Count
    blocks_planned: Count
    steps: Count
    limit_ms: float | None = None
    misses: Count | None = None
    allowed: Count | None = None
    effective_steps: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    dependence: Literal["tested", "not testable"] | None = None


class LatencyFacts(Entity):
    """Sensor to action, on the host the evidence names."""

    idle: LoadFacts | None = None
    loaded: LoadFacts | None = None


class RealRobotFacts(Entity):
    """Trials on real robots, signed by enrolled devices."""

    trials: Count
    robots: Count
    lower: float


class ContactForceFacts(Entity):
    """A contact force and pressure report: the largest measured share of the permissible value, over body regions."""

    force_ratio: float
    pressure_ratio: float


class StopFacts(Entity):
    """Measured stopping time, and the one that the risk assessment assumes."""

    measured_ms: float
    assumed_ms: float


class SafetyControllerFacts(Entity):
    """Whether the checksum read from the safety controller is the one that was validated."""

    checksum_validated: bool


class PromotionFacts(_Facts):
    """What the rules of a `promotion` policy read."""

    success: SuccessFacts | None = None
    latency: LatencyFacts | None = None
    real_robot: RealRobotFacts | None = None
    contact_force: ContactForceFacts | None = None
    stop: StopFacts | None = None
    safety_controller: SafetyControllerFacts | None = None


FACTS: dict[str, type[_Facts]] = {"dataset-approval": DatasetFacts, "promotion": PromotionFacts}


@dataclass(frozen=True)
class Kind:
    """What a fact is: its JSON type and, for a number, its unit."""

    of: Literal["bool", "text", "number", "list", "section"]
    unit: str = ""
    whole: bool = False


def kind_of(decides: str, path: Sequence[str]) -> Kind | None:
    """The kind of the fact at a path (`*` is any element of a list); None when there is no such fact."""
    annotation: Any = FACTS[decides]
    for step in path:
        if step == "*":
            if get_origin(annotation) is not tuple:
                return None
            annotation = _plain(get_args(annotation)[0])
        elif isinstance(annotation, type) and issubclass(annotation, Entity) and step in annotation.model_fields:
            annotation = _plain(annotation.model_fields[step].annotation)
        else:
            return None
    return _kind(annotation, path[-1])


def unit_of(name: str) -> str:
    """The unit that a name ends in, empty without one."""
    return next((unit for unit in UNITS if name.endswith("_" + unit)), "")


def _kind(annotation: Any, name: str) -> Kind:
    if get_origin(annotation) is tuple:
        return Kind("list")
    if annotation is bool:
        return Kind("bool")
    if annotation in (int, float):
        whole = annotation is int
        return Kind("number", unit_of(name) or ("count" if whole else "ratio"), whole)
    if annotation is str or get_origin(annotation) is Literal:
        return Kind("text")
    return Kind("section")


def _plain(annotation: Any) -> Any:
    """Without `| None` and without `Annotated`."""
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = [a for a in get_args(annotation) if a is not type(None)]
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
