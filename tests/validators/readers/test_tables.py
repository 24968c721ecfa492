from contextlib import suppress

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.damaged import damaged
from validators import readers
from validators.errors import UnreadableDataset
from validators.readers import clocks
from validators.run import run
from validators.suites import load

START_NS = 1_700_000_000_123_456_789
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def made(rows=60):
    steps = np.arange(rows, dtype=np.int64) * 10_000_000
    return pl.DataFrame(
        {"t_ns": START_NS + steps, "run_id": np.repeat(["a", "b", "c"], rows // 3), "x": np.sin(np.arange(rows) / 7)}
    )


def opened(path, declared="", clock=None):
    if declared:
        place = path / "assay.yaml" if path.is_dir() else path.with_name(path.name + ".assay.yaml")
        place.write_text("schema: declaration@1\n" + declared)
    return readers.open(path, clock=clock)


def seconds(recording):
    stream = recording.main
    return stream.frames().select(stream.seconds()).collect().to_series().to_list()


def refused(path, declared=""):
    with pytest.raises(UnreadableDataset) as caught:
        opened(path, declared)
    return caught.value


WRITERS = {
    "t.csv": lambda t, p: t.write_csv(p),
    "t.tsv": lambda t, p: t.write_csv(p, separator="\t"),
    "t.parquet": lambda t, p: t.write_parquet(p),
    "t.feather": lambda t, p: t.write_ipc(p, compression="zstd"),
    "t.arrow": lambda t, p: t.write_ipc(p),
    "t.arrows": lambda t, p: t.write_ipc_stream(p),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_gives_the_same_rows_and_an_exact_clock(tmp_path, name):
    WRITERS[name](made(), tmp_path / name)
    recording = readers.open(tmp_path / name)
    assert [(e.path, e.length, e.start_s) for e in recording.episodes] == [(name, 60, 0.0)]
    clock = recording.main.clock
    assert (clock.column, clock.unit, clock.origin) == ("t_ns", "ns", START_NS)
    assert clock.source.startswith("clock inferred")
    assert seconds(recording) == pytest.approx(np.arange(60) / 100, rel=1e-15)
    assert np.array_equal(recording.scan().collect()["x"].to_numpy(), made()["x"].to_numpy())
    assert run(recording, load("recording@1")).passed


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_dates_are_clocks_of_their_own_unit(tmp_path, unit, suffix):
    table = made().with_columns(time=pl.from_epoch("t_ns", "ns").dt.cast_time_unit(unit)).drop("t_ns")
    (table.write_parquet if suffix == "parquet" else table.write_ipc)(tmp_path / f"a.{suffix}")
    recording = readers.open(tmp_path)
    assert recording.main.clock.unit == unit
    assert recording.features["time"].dtype == "int64"
    assert np.allclose(np.diff(seconds(recording)), 0.01, atol=1e-3 if unit == "ms" else 1e-6)
    assert run(recording, load("recording@1")).passed


@pytest.mark.parametrize("text", ["%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f+02:00"])
def test_dates_as_text(tmp_path, text):
    made().with_columns(time=pl.from_epoch("t_ns", "ns").dt.strftime(text)).drop("t_ns").write_csv(tmp_path / "a.csv")
    recording = readers.open(tmp_path)
    assert recording.main.clock.unit == "ns"
    assert seconds(recording) == pytest.approx(np.arange(60) / 100, rel=1e-15)


@pytest.mark.parametrize("name", WRITERS)
def test_a_declared_column_separates_episodes(tmp_path, name):
    WRITERS[name](made(), tmp_path / name)
    recording = opened(tmp_path / name, "episodes: run_id\nfps: 100\nclock: {column: t_ns, synchronised: ptp}")
    assert [(e.index, e.length, e.start_s, dict(e.provenance)) for e in recording.episodes] == [
        (0, 20, 0.0, {"run_id": "a"}),
        (1, 20, 0.2, {"run_id": "b"}),
        (2, 20, 0.4, {"run_id": "c"}),
    ]
    assert (recording.facts.fps, recording.main.fps, recording.main.clock.synchronised) == (100, 100, "ptp")
    assert recording.scan().collect()["episode_index"].to_list() == [0] * 20 + [1] * 20 + [2] * 20


@given(st.lists(st.sampled_from([0, 1, 2, None]), min_size=1, max_size=40).filter(lambda v: set(v) != {None}))
@quick
def test_interleaved_episodes_are_put_together(tmp_path, ids):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"t": np.arange(len(ids)) / 10, "run": pl.Series(ids, dtype=pl.Int64)}).write_parquet(path)
    recording = opened(path, "episodes: run")
    first_seen = [i for i in dict.fromkeys(ids) if i is not None]
    assert [(e.provenance["run"], e.length) for e in recording.episodes] == [(i, ids.count(i)) for i in first_seen]
    rows = recording.scan().collect().filter(pl.col("run").is_not_null())
    assert rows["t"].to_list() == [i / 10 for run_id in first_seen for i, v in enumerate(ids) if v == run_id]
    assert [p.kind for p in recording.problems] == ["column-type"] * (None in ids)
    assert not [f for f in run(recording, load("recording@1")).findings if f.check == "monotonic_time"]


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("timestamp", [0.5, 0.6], "s"),
        ("TIME", [1.7e9, 1.8e9], "s"),
        ("t", [1_700_000_000, 1_700_000_001], "s"),
        ("time", [1.7e12, 1.8e12], "ms"),
        ("time", [1_700_000_000_000_000, 1_700_000_000_000_001], "us"),
        ("stamp", [START_NS, START_NS + 1], "ns"),
        ("timestamp [ns]", [5, 6], "ns"),
        ("t_us", [5, 6], "us"),
        ("time (ms)", [5, 6], "ms"),
        ("time_s", [5, 6], "s"),
        ("t", [5, 6], None),
        ("stamp", [7e10, 8e10], None),
        ("x_time", [0.5, 0.6], None),
        ("temp", [0.5, 0.6], None),
        ("ts", [0.5, 0.6], None),
    ],
)
def test_which_names_and_values_leave_no_doubt(tmp_path, name, values, unit):
    pl.DataFrame({"x": [1.0, 2.0], name: values}).write_parquet(tmp_path / "a.parquet")
    clock = readers.open(tmp_path).main.clock
    assert (clock.unit if clock else None) == unit


def test_without_a_clock_it_opens_and_says_how_to_declare_one(tmp_path):
    made().rename({"t_ns": "q"}).write_csv(tmp_path / "a.csv")
    result = run(readers.open(tmp_path), load("recording@1"))
    why = {o.check: o.why for o in result.outcomes}
    assert "--clock COLUMN:UNIT" in why["monotonic_time"]
    assert not result.passed
    declared = readers.open(tmp_path, clock=readers.declaration.clock("q:ns"))
    assert run(declared, load("recording@1")).passed
    assert refused(tmp_path, "clock: {column: nothing}").kind == "column-missing"
    assert refused(tmp_path, "clock: {column: run_id, unit: s}").kind == "column-missing"
    small = pl.DataFrame({"q": [1, 2], "x": [0.1, 0.2]})
    small.write_csv(tmp_path / "a.csv")
    assert refused(tmp_path, "clock: {column: q}").kind == "metadata-invalid"


def test_a_declared_unit_that_the_type_contradicts(tmp_path):
    made().with_columns(time=pl.from_epoch("t_ns", "ns")).write_parquet(tmp_path / "a.parquet")
    assert "dates in ns" in str(refused(tmp_path, "clock: {column: time, unit: ms}"))


def test_a_nan_and_a_missing_time_are_found(tmp_path):
    times = [0.0, 0.1, float("nan"), 0.3, 0.4, None, 0.6]
    pl.DataFrame({"time": times, "x": range(7)}).write_parquet(tmp_path / "a.parquet")
    found = {f.check for f in run(readers.open(tmp_path), load("recording@1")).findings}
    assert found == {"monotonic_time", "nan", "nulls"}


CSV = "time,a,b\n0.1,1,x\n0.2,2,y\n0.3,3,z\n"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (b"", "file-damaged", "no bytes"),
        (b"\n\n", "file-damaged", "header was expected"),
        (b"time,a,a\n1,2,3\n", "metadata-invalid", "'a' more than once"),
        (b"0.1,2,3\n0.2,2,3\n", "metadata-invalid", "holds numbers"),
        (b"time,a\n", "file-damaged", "0 rows"),
        (b"\xff\xfet\0i\0", "metadata-invalid", "UTF-8"),
        (b'"time,a\n1,2\n', "metadata-invalid", "header cannot be read"),
        (b"time,a\n\xff\xff,1\n", "file-damaged", "utf-8"),
        (b",".join(b"c%d" % i for i in range(5000)) + b"\n1\n", "too-large", "5000 columns"),
        (b"time,\0a\n0.1,1\n", "metadata-invalid", "column"),
        (b"time,a\n0.1\n0.2\n", "file-damaged", "0 rows"),
    ],
)
def test_a_csv_that_is_refused(tmp_path, text, kind, words):
    (tmp_path / "a.csv").write_bytes(text)
    error = refused(tmp_path)
    assert error.kind == kind
    assert words in str(error)


def test_ragged_rows_and_odd_values_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("time,a,b\n0.1,1,x\n0.2,2\n0.3,ERR,y\n0.4,4,y,5\n0.5,5,\n")
    recording = readers.open(tmp_path)
    assert recording.episodes[0].length == 3
    said = {p.kind: p.message for p in recording.problems}
    assert "row 3 has 2, row 5 has 4" in said["file-damaged"]
    assert "1 of 3 values are no numbers, the first is 'ERR'" in said["column-type"]


def test_columns_are_of_one_type_in_all_csv_files(tmp_path):
    (tmp_path / "a.csv").write_text("time;x;e\n1;1;\n2;2;\n")
    (tmp_path / "b.csv").write_text("time;x;e\n1.5;1.5;7\n2.5;NaN;8\n")
    recording = readers.open(tmp_path)
    assert {n: f.dtype for n, f in recording.features.items()} == {"time": "float64", "x": "float64", "e": "int64"}
    assert not recording.problems
    found = [(f.check, f.stream, f.episode) for f in run(recording, load("recording@1")).findings]
    assert found == [("nulls", "e", 0), ("nan", "x", 1)]


def test_files_of_several_kinds_are_one_recording(tmp_path):
    for name in ("a.csv", "b.parquet", "c.arrow"):
        WRITERS["t." + name[2:]](made(), tmp_path / name)
    recording = readers.open(tmp_path)
    assert (recording.format, len(recording.episodes), recording.problems) == ("tables", 3, ())
    assert recording.scan().collect().height == 180


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow", "feather"])
def test_a_file_without_bytes_among_good_ones(tmp_path, suffix):
    made().write_parquet(tmp_path / "a.parquet")
    (tmp_path / f"b.{suffix}").touch()
    recording = readers.open(tmp_path)
    assert [(p.kind, p.path) for p in recording.problems] == [("file-damaged", f"b.{suffix}")]


def test_absurd_widths_are_said_and_not_judged(tmp_path):
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2 * 5000)), 5000)
    pa.parquet.write_table(pa.table({"t": [0.1, 0.2], "wide": wide, "x": [1, 2]}), tmp_path / "a.parquet")
    recording = readers.open(tmp_path)
    assert "5000 channels" in recording.problems[0].message
    assert list(recording.features) == ["t", "x"]


def test_feather_of_version_one(tmp_path):
    pyarrow.feather.write_feather(made().to_arrow(compat_level=pl.CompatLevel.oldest()), tmp_path / "a.feather")
    assert readers.open(tmp_path).rows == 60
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(100))
    assert "version 1" in str(refused(tmp_path))


def test_links_out_of_the_folder_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.csv").write_text(CSV)
    (tmp_path / "in/a.csv").symlink_to(tmp_path / "out.csv")
    assert refused(tmp_path / "in").kind == "path-outside"
    (tmp_path / "in/a.csv").unlink()
    (tmp_path / "in/b.csv").write_text(CSV)
    (tmp_path / "secret.yaml").write_text("schema: declaration@1\n")
    (tmp_path / "in/assay.yaml").symlink_to(tmp_path / "secret.yaml")
    assert refused(tmp_path / "in").kind == "path-outside"


@given(data=st.data(), name=st.sampled_from(list(WRITERS)))
@quick
def test_spoilt_bytes(tmp_path, data, name):
    WRITERS[name](made(), tmp_path / name)
    content = damaged((tmp_path / name).read_bytes(), data)
    (tmp_path / name).write_bytes(content)
    with suppress(UnreadableDataset):
        run(readers.open(tmp_path / name), load("recording@1"))


@given(st.text(st.sampled_from('0123456789.,;\t\n"eE+-naINF #x:T'), max_size=80))
@quick
def test_any_text_is_a_table_or_refused(tmp_path, text):
    (tmp_path / "a.csv").write_text("time,a\n" + text)
    (tmp_path / "b.tsv").write_text(text)
    with suppress(UnreadableDataset):
        run(readers.open(tmp_path), load("recording@1"))


@given(st.integers(-(1 << 62), 1 << 62), st.sampled_from(["s", "ms", "us", "ns"]))
def test_the_origin_keeps_every_digit(start, unit):
    origin = clocks.origin([start, start + 5], unit)
    assert origin in (0, start)
    assert (start + 5) - origin == 5 + start - origin
