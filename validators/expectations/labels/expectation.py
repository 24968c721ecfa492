"""What the checks of labels share: they are judged once, on tables of labels, and name the first that fail."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, NotEvaluable
from validators.labels import Labels

NAMED = 5  # labels that a message names


def labels_of(subject: Subject) -> Labels:
    """The recording's labels, or `NotEvaluable`."""
    if subject.recording.labels is None:
        raise NotEvaluable(f"a {subject.recording.format} recording has no labels")
    return subject.recording.labels


class LabelExpectation(Expectation):
    """Judged once, on the labels of the recording; reads no frames."""

    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def needs(self, subject: Subject) -> Needs:
        labels_of(subject)
        return Needs()


def finding(
    check: str, subject: Subject, rows: pl.DataFrame, message: str, *, value: float | None, limit: float, unit: str
) -> Finding:
    """One finding for rows of one source, stream and kind: how many, which first, in which episodes and when."""
    positions = rows["episode"].drop_nulls().unique().sort().to_list()
    episodes = tuple(subject.recording.episodes[i].index for i in positions)
    times = rows["time_s"].drop_nulls()
    kind, source, stream = (rows[c][0] for c in ("kind", "source", "stream"))
    more = f"; and {rows.height - NAMED} more" if rows.height > NAMED else ""
    return Finding(
        check,
        f"{source} {stream}" if stream else str(source),
        f"{_number_of(rows.height, kind)}, {message}: {'; '.join(named(rows))}{more}",
        episode=episodes[0] if len(episodes) == 1 else None,
        episodes=episodes if len(episodes) > 1 else (),
        start_s=_number(times.min()),
        end_s=_number(times.max()),
        value=value,
        limit=float(limit),
        unit=unit,
        resolves="one label",
    )


def _number_of(number: int, kind: str) -> str:
    noun = "box" if kind == "bbox" else kind
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun == "box" else "s")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def named(rows: pl.DataFrame) -> list[str]:
    """The first labels of a table: class, image and place in the file."""
    return [
        f"{r['category'] or 'no class'} in {r['image'] or 'no image'} ({r['where'] or r['id']})"
        for r in rows.head(NAMED).select("category", "image", "where", "id").iter_rows(named=True)
    ]
