"""Whatever format a team records in goes through the same door: registered, checked from the store, approved."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mcap.writer import Writer

from catalog.services import version_commit
from tests.support.house import Desk
from tests.support.recordings import provenance


def begun(folder: Path) -> Path:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/provenance.json").write_text(json.dumps(provenance()))
    return folder


def tables(folder: Path) -> Path:
    begun(folder)
    for i in range(3):
        time = np.arange(80) / 20
        pl.DataFrame({"time_s": time, "torque": np.sin(time + i)}).write_csv(folder / f"cell-{i}.csv")
    return folder


def log(folder: Path) -> Path:
    begun(folder)
    with (folder / "drive.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("Speed", "jsonschema", b'{"type": "object"}')
        channel = writer.register_channel("/speed", "json", schema)
        for i in range(100):
            stamp = 1_700_000_000_000_000_000 + i * 20_000_000
            writer.add_message(channel, stamp, json.dumps({"speed": 1.0 + 0.01 * i}).encode(), stamp)
        writer.finish()
    return folder


@pytest.mark.parametrize(("made", "name", "episodes"), [(tables, "cells", 3), (log, "drives", 1)])
def test_registered_checked_and_approved(shared_desk: Desk, tmp_path: Path, made, name: str, episodes: int) -> None:
    desk, folder = shared_desk, made(tmp_path / "one")
    desk.register(name, "one", folder)
    desk.check(name, "one")
    table, objects = version_commit.tables_of(desk.context, desk.context.candidate(name, "one"))
    assert len(table) == len({e.fingerprint for e in table}) == episodes
    assert {p for e in table for p in e.objects} == {o.path for o in objects if o.rows}
    assert desk.judge(name, "one").rules


def test_a_library_that_is_not_there_is_named(
    shared_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = log(tmp_path / "one")
    for name in [n for n in sys.modules if n.split(".")[0] == "mcap"]:
        monkeypatch.setitem(sys.modules, name, None)
    error = shared_desk.fails(lambda: shared_desk.register("absent", "one", folder))
    assert error.kind == "dataset-unreadable"
    assert "assay-catalog[mcap]" in str(error)
