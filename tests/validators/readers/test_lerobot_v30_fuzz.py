"""Whatever the bytes, the reader of v3.0 answers with a recording or a named refusal, and so does cleaning."""

import shutil

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.damaged import damaged
from tests.support.lerobot_v30 import Layout
from validators import readers
from validators.clean import clean
from validators.documents import canonical
from validators.errors import UncleanableDataset, UnreadableDataset
from validators.run import run
from validators.stream import NO_EPISODE
from validators.suites import parse

TOP = "observation.images.top"
LIST = "meta/episodes/chunk-000/file-000.parquet"
FILES = ("meta/info.json", "meta/stats.json", "meta/tasks.parquet", LIST, "data/chunk-000/file-000.parquet")
SUITE = parse(
    canonical(
        {
            "name": "fuzz",
            "expectations": [
                {"type": f"expect_{name}"}
                for name in (
                    "counts_to_match_metadata",
                    "declared_types",
                    "indices_in_order",
                    "index_to_continue",
                    "references_to_exist",
                    "episodes_long_enough",
                    "statistics_to_match",
                    "quantiles_of_all_rows",
                    "no_known_overlap",
                )
            ],
        }
    )
)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def dataset(writer):
    return writer.write_v30(writer.tracks(4, rows=12), Layout((2, 2), (2, 2), (TOP,)))


def copied(dataset):
    root = dataset.parent / "spoilt"
    for made in (root, dataset.parent / "out"):
        shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(dataset, root)
    return root


def answered(root):
    """Reads, judges and cleans; what the parts say must cover the files whole, without overlap."""
    try:
        recording = readers.open(root)
        for table in recording.main.tables:
            ends = {}
            for part in table.parts:
                assert part.offset == ends.get(part.path, 0)
                ends[part.path] = part.offset + part.rows
            for path, rows in ends.items():
                assert rows == pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        positions = [p.position for t in recording.main.tables for p in t.parts if p.position != NO_EPISODE]
        assert sorted(positions) == list(range(len(recording.episodes)))
        result = run(recording, SUITE)
        canonical(result.to_dict())
        clean(recording, root.parent / "out", {recording.episodes[0].index}, result.findings)
        readers.open(root.parent / "out")
    except (UnreadableDataset, UncleanableDataset):
        return


@quick
@given(data=st.data())
def test_spoilt_bytes(dataset, data):
    root = copied(dataset)
    path = root / data.draw(st.sampled_from([*FILES, f"videos/{TOP}/chunk-000/file-000.mp4"]))
    content = damaged(path.read_bytes(), data)
    path.write_bytes(content)
    answered(root)


counts = st.lists(st.integers(-3, 60) | st.sampled_from([1 << 31, 1 << 62]), min_size=4, max_size=4)
times = st.lists(st.floats() | st.floats(0, 2), min_size=4, max_size=4)


@quick
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "episode_index": counts,
            "length": counts,
            "dataset_from_index": counts,
            "dataset_to_index": counts,
            "data/file_index": st.lists(st.integers(0, 2), min_size=4, max_size=4),
            f"videos/{TOP}/file_index": st.lists(st.integers(0, 2) | st.none(), min_size=4, max_size=4),
            f"videos/{TOP}/from_timestamp": times,
            f"videos/{TOP}/to_timestamp": times,
        },
    )
)
def test_lists_of_any_numbers(dataset, changes):
    root = copied(dataset)
    table = pl.read_parquet(root / LIST)
    table.with_columns(pl.Series(n, v, strict=False) for n, v in changes.items()).write_parquet(root / LIST)
    answered(root)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["fps", "features", "data_path", "video_path", "chunks_size", "splits", "total_frames"])


@quick
@given(key=keys, value=json_value)
def test_metadata_of_any_value(writer, dataset, key, value):
    root = copied(dataset)
    writer.info(root, lambda info: info.update({key: value}))
    answered(root)


@quick
@given(name=st.sampled_from(["meta/stats.json", "meta/modality.json", "meta/assay_clean.json"]), value=json_value)
def test_other_documents_of_any_value(dataset, name, value):
    root = copied(dataset)
    try:
        (root / name).write_text(canonical(value))
    except ValueError:
        return
    answered(root)
