"""How numbers, spans and strangers' names are written, on every output alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validators.findings import Finding
    from validators.result import SuiteResult


def plain(text: str) -> str:
    """The text with what a terminal would obey spelled out (escape sequences, line breaks): names are of strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def span(finding: Finding) -> str:
    """`1.40-5.30 s`, empty without a time."""
    if finding.start_s is None or finding.end_s is None:
        return ""
    start, end = (round(second, 2) + 0.0 for second in (finding.start_s, finding.end_s))  # -0.0 + 0.0 is 0.0
    return f"{start:.2f}-{end:.2f} s"


def number(value: float | None, unit: str) -> str:
    """A value with its unit, empty for none."""
    if value is None:
        return ""
    return f"{value:.6g} {unit}".strip() if value.is_integer() else f"{value:.4g} {unit}".strip()


def facts(result: SuiteResult) -> list[str]:
    """What was judged, in a few words each."""
    recording = result.recording
    robot = recording.facts.robot_type or "robot not declared"
    said = [recording.format, robot]
    if recording.episodes or not recording.labels:
        said.append(many(len(recording.episodes), "episode"))
    if len(recording.streams) > 1:
        said.append(f"{len(recording.streams)} streams")
    if recording.rows:
        said.append(many(recording.rows, "row"))
        if not any(stream.clock for stream in recording.streams.values()):
            said.append("no clock, so time is not judged")
    said += [f"{recording.facts.fps:g} Hz"] if recording.facts.fps else []
    return [*said, *([f"read by {recording.reader}"] if recording.reader else [])]


def many(number: int, what: str) -> str:
    """`1 episode`, `2 episodes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def counts(result: SuiteResult) -> str:
    """How many findings, and how many checks ended how."""
    statuses = [o.status for o in result.outcomes]
    found = f"{many(len(result.blocking), 'blocking finding')}, {many(len(result.warnings), 'warning')}"
    said = f"{found}; of {len(statuses)} checks "
    return said + f"{statuses.count('clean')} clean, {statuses.count('not-evaluable')} not evaluable"


def said_besides(result: SuiteResult, *, all_notes: bool = False) -> dict[str, list[str]]:
    """What blocks because it could not be evaluated, and what is worth saying even when clean, with who says it.

    With `all_notes` everything that any check says; without, what is silent for good reason is one line of names.
    """
    said: dict[str, list[str]] = {}
    silent: list[str] = []
    for outcome, entry in zip(result.outcomes, result.suite.entries, strict=True):
        if outcome.status == "not-evaluable" and outcome.required:
            why = f"not evaluable: {outcome.why} (blocks, because the suite requires it)"
            said.setdefault(why, []).append(outcome.check)
        elif outcome.status == "not-evaluable" and all_notes:
            said.setdefault(f"not evaluable: {outcome.why} (does not block)", []).append(outcome.check)
        elif outcome.status == "not-evaluable":
            silent.append(outcome.check)
        elif outcome.note and (all_notes or entry.expectation.telling):
            said.setdefault(outcome.note, []).append(outcome.check)
    if silent:
        said["not evaluable, which does not block; --notes says why"] = list(dict.fromkeys(silent))
    return said
