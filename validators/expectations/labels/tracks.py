"""Tracks of labels through a sequence: one class, no holes, no leaps, and times at which something was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from validators.expectations.expectation import Subject
from validators.expectations.labels.expectation import NAMED, LabelExpectation, finding, labels_of
from validators.findings import Finding, Judgement, NotEvaluable
from validators.labels import Labels
from validators.stream import EPISODE
from validators.values import Values

_TRACK = ("source", "episode", "object")


@dataclass(frozen=True)
class ExpectConsistentTracks(LabelExpectation):
    """Tracks: one class an object, a mark in every frame of its declared intervals, no cuboid twice in one scan.

    No cuboid's centre moves faster than `speed_m_s` from mark to mark, in the frame of its sensor or of the world.
    Unit: objects, frames, m/s. Default: 100 m/s, twice a fast train, because cuboids in a sensor's frame also move with
    the sensor. Source: the formats' references. Resolves: one frame; a leap of speed_m_s times the time between marks.
    Known false alarms: two classes that a guideline allows for one object (a door that opens). Holes are found only
    where intervals are declared; elsewhere an object may leave and come back, and the note counts such tracks.
    """

    type: ClassVar[str] = "expect_consistent_tracks"
    check: ClassVar[str] = "tracks"
    speed_m_s: float = 100.0

    def __post_init__(self) -> None:
        if not 0 < self.speed_m_s <= 1e6:
            raise ValueError("speed_m_s must be above 0 and at most 1e6")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        tracked = labels.annotations.filter(pl.col("object").is_not_null())
        number = tracked.select(pl.struct(_TRACK).n_unique()).collect(engine="streaming").item()
        if not number:
            raise NotEvaluable("no label belongs to a track")
        findings = (*self._classes(subject, tracked), *self._twice(subject, tracked), *self._leaps(subject, tracked))
        return Judgement((*findings, *self._holes(subject, labels, tracked)), f"{number} tracks", {"tracks": number})

    def _classes(self, subject: Subject, tracked: pl.LazyFrame) -> Iterator[Finding]:
        classes = pl.col("category").drop_nulls()
        found = tracked.group_by(_TRACK).agg(
            classes.n_unique().alias("n"), pl.all().exclude("n").first(), which=classes.unique().sort()
        )
        for row in found.filter(pl.col("n") > 1).sort(_TRACK).collect(engine="streaming").iter_rows(named=True):
            message = f"object {row['object']} is {' and '.join(row['which'][:4])}"
            yield self._finding(subject, row, message, float(row["n"]), 1.0, "classes", "one label")

    def _finding(
        self,
        subject: Subject,
        row: dict[str, Any],
        message: str,
        value: float,
        limit: float,
        unit: str,
        resolves: str,
    ) -> Finding:
        position, episodes = row["episode"], subject.recording.episodes
        episode = episodes[position].index if isinstance(position, int) and position < len(episodes) else None
        stream = " ".join(str(row[c]) for c in ("source", "stream") if row.get(c))
        return Finding(
            self.check,
            stream,
            message,
            episode=episode,
            start_s=row.get("start_s"),
            end_s=row.get("end_s"),
            value=value,
            limit=limit,
            unit=unit,
            resolves=resolves,
        )

    def _twice(self, subject: Subject, tracked: pl.LazyFrame) -> Iterator[Finding]:
        cuboids = tracked.filter((pl.col("kind") == "cuboid") & pl.col("image").is_not_null())
        place = [*_TRACK, "image", "stream", "annotator"]
        double = cuboids.filter(pl.len().over(place) > 1).collect()
        for _, rows in double.group_by("source", "stream", maintain_order=True):
            message = "object twice in one scan"
            yield finding(self.check, subject, rows, message, value=float(rows.height), limit=0.0, unit="labels")

    def _leaps(self, subject: Subject, tracked: pl.LazyFrame) -> Iterator[Finding]:
        centre = ("cx", "cy", "cz")
        rows = tracked.filter((pl.col("kind") == "cuboid") & pl.col("time_s").is_not_null())
        rows = rows.select(*_TRACK, "stream", "category", "time_s", "frame", *centre).sort(*_TRACK, "stream", "time_s")
        same = pl.all_horizontal(*(pl.col(c).eq_missing(pl.col(c).shift()) for c in (*_TRACK, "stream")))
        moved = sum((pl.col(c).diff() ** 2 for c in centre), start=pl.lit(0.0)).sqrt()
        passed = pl.col("time_s").diff()
        rows = rows.with_columns(
            speed=pl.when(same & (passed > 0)).then(moved / passed),
            moved=moved,
            start_s=pl.col("time_s").shift(),
            end_s="time_s",
        )
        fast = rows.filter(pl.col("speed").is_finite() & (pl.col("speed") > self.speed_m_s)).collect()
        for _, group in fast.group_by(_TRACK, maintain_order=True):
            row = group.sort("speed", descending=True).row(0, named=True)
            message = (
                f"{row['category'] or 'object'} {row['object']} leaps {row['moved']:.1f} m before frame {row['frame']}"
            )
            message += f", {group.height} such leaps" if group.height > 1 else ""
            limit = self.speed_m_s
            yield self._finding(
                subject, row, message, row["speed"], limit, "m/s", f"{limit:g} m/s times the time between marks"
            )

    def _holes(self, subject: Subject, labels: Labels, tracked: pl.LazyFrame) -> Iterator[Finding]:
        """Declared intervals with fewer marked frames than the sequence has there, by ranks, so in linear time."""
        spans = labels.objects.filter(pl.col("first").is_not_null()).with_columns(
            pl.col("last").fill_null(2**62), before=pl.col("first") - 1, object="id"
        )  # fmt: skip
        frames = labels.images.select("source", "episode", "frame").drop_nulls().unique().sort("frame")
        frames = frames.with_columns(rank=pl.int_range(1, pl.len() + 1).over("source", "episode"))
        marks = tracked.select(*_TRACK, "frame").drop_nulls().unique().sort("frame")
        marks = marks.with_columns(rank=pl.int_range(1, pl.len() + 1).over(_TRACK))
        found = spans
        for name, table, by in (("there", frames, ["source", "episode"]), ("marked", marks, list(_TRACK))):
            for end, sign in (("last", 1), ("before", -1)):
                found = found.sort(end).join_asof(
                    table.rename({"frame": f"{name} {end}", "rank": f"{name} rank {end}"}).sort(f"{name} {end}"),
                    left_on=end, right_on=f"{name} {end}", by=by, check_sortedness=False,
                )  # fmt: skip
                found = found.with_columns(pl.col(f"{name} rank {end}").fill_null(0) * sign)
            total = pl.col(f"{name} rank last") + pl.col(f"{name} rank before")
            found = found.with_columns(total.alias(name))
        holes = found.with_columns(missing=pl.col("there") - pl.col("marked")).filter(pl.col("missing") > 0)
        rows = holes.sort("source", "where").collect()
        for (source, episode), group in rows.group_by("source", "episode", maintain_order=True):
            which = "; ".join(
                f"{r['category'] or 'object'} {r['object']} lacks {r['missing']} of frames {r['first']} to "
                + (f"{r['last']}" if r["last"] < 2**62 else "the end")
                for r in group.head(NAMED).iter_rows(named=True)
            )
            message = f"{group.height} declared intervals have frames without a mark: {which}"
            row = {"source": source, "episode": episode}
            yield self._finding(subject, row, message, float(group["missing"].sum()), 0.0, "frames", "one frame")


@dataclass(frozen=True)
class ExpectLabelTimesWithinRecording(LabelExpectation):
    """Label times: each label lies within its sensor's first and last stamp in its episode, or all sensors' together.

    Unit: s. Default: 0.1 s beside, a frame at 10 Hz, because a key frame's stamp is not each sensor's. Source: the
    recording's clocks. Resolves: tolerance_s. Known false alarms: clocks that were never synchronised.
    """

    type: ClassVar[str] = "expect_label_times_within_recording"
    check: ClassVar[str] = "label_times"
    tolerance_s: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance_s <= 1e6:
            raise ValueError("tolerance_s must be from 0 to 1e6")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        timed = labels.annotations.filter(pl.col("time_s").is_not_null() & pl.col("episode").is_not_null())
        if not timed.select(pl.len()).collect(engine="streaming").item():
            raise NotEvaluable("no label has a time")
        spans = self._spans(subject)
        own = spans.rename({"low": "own low", "high": "own high"})
        union = spans.group_by("episode").agg(pl.col("low").min(), pl.col("high").max())
        rows = timed.join(own.lazy(), on=["episode", "stream"], how="left", maintain_order="left").join(
            union.lazy(), on="episode", how="left", maintain_order="left"
        )
        low, high = pl.coalesce("own low", "low"), pl.coalesce("own high", "high")
        rows = rows.with_columns(off=pl.max_horizontal(low - pl.col("time_s"), pl.col("time_s") - high))
        found = rows.filter(pl.col("off") > self.tolerance_s).collect(engine="streaming")
        findings = []
        for _, group in found.group_by("source", "stream", "kind", maintain_order=True):
            message = "outside what was recorded"
            off = float(group["off"].to_numpy().max())
            findings.append(finding(self.check, subject, group, message, value=off, limit=self.tolerance_s, unit="s"))
        return Judgement(tuple(findings))

    def _spans(self, subject: Subject) -> pl.DataFrame:
        """episode (position), stream, low, high: s since the origin."""
        tables = [
            stream.frames()
            .group_by(episode=EPISODE)
            .agg(low=stream.seconds().min(), high=stream.seconds().max())
            .with_columns(stream=pl.lit(name))
            for name, stream in subject.recording.streams.items()
            if stream.clock is not None
        ]
        if not tables:
            raise NotEvaluable("no stream with a clock was recorded beside the labels")
        return pl.concat(pl.collect_all(tables)).with_columns(pl.col("episode").cast(pl.Int32)).drop_nulls()
