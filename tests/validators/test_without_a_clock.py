"""Rows without a clock: what is wrong with their values is found and has no time; nothing else goes wrong for it."""

import dataclasses

import numpy as np
import pytest

from validators import readers, run, suites
from validators.expectations import SHIPPED


@pytest.fixture
def timeless(writer):
    tracks = writer.tracks(4)
    tracks[0].columns["observation.state"][5:7, 1] = np.nan
    tracks[1].columns["observation.state"][10:40] = tracks[1].columns["observation.state"][10]
    tracks[2].columns["observation.state"][20, 2] = 40.0
    recording = readers.open(writer.write(tracks))
    stream = dataclasses.replace(recording.main, clock=None)
    return dataclasses.replace(recording, streams={"frames": stream})


def test_every_suite_judges_it(timeless, robot):
    for name in suites.names():
        result = run.run(timeless, suites.load(name), robot)
        assert all(f.start_s is None and f.end_s is None for f in result.findings if f.check != "short_episode")
    found = {(f.check, f.episode) for f in run.run(timeless, suites.load("arm@2"), robot).findings}
    assert {("nan", 0), ("frozen_rows", 1), ("joint_limits", 2)} <= found


def test_a_wrong_expression_is_no_damage(timeless, monkeypatch):
    """A mistake of ours must not be told as a file that cannot be read."""
    import polars as pl

    kind = next(e for e in SHIPPED if e.check == "nan")

    def judge(self, subject, values):
        return subject.stream.frames().select("no such column").collect()

    monkeypatch.setattr(kind, "judge", judge)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        run.run(timeless, suites.load("arm@2"))
