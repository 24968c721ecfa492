"""Polars, pandas, DuckDB and Arrow open tables in the embedded server as `lakefs://repository/ref/path`."""

from __future__ import annotations

import duckdb
import fsspec
import lakefs
import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet
import pytest
from lakefs_spec import LakeFSFileSystem

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ROWS = 50_000  # several row groups: footers and groups are read as ranges


@pytest.fixture
def files(access: dict[str, str]) -> LakeFSFileSystem:
    return LakeFSFileSystem(**access, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def at(repo: lakefs.Repository, files: LakeFSFileSystem) -> str:
    """A commit with two Parquet files and a CSV."""
    for part in (1, 2):
        frame = polars.DataFrame({"n": range(ROWS), "part": [part] * ROWS})
        with files.open(f"lakefs://{repo.id}/main/t/{part}.parquet", "wb") as file:
            frame.write_parquet(file, row_group_size=5_000)
    files.pipe(f"{repo.id}/main/small.csv", "name,n\nä,1\nb,2\n".encode())
    commit = repo.branch("main").commit("tables")
    files.rm(f"{repo.id}/main/t/2.parquet")
    return f"lakefs://{repo.id}/{commit.id}"


TOTAL = ROWS * (ROWS - 1) // 2


def test_polars(files: LakeFSFileSystem, at: str, access: dict[str, str]) -> None:
    """Polars opens s3, gs, az and http addresses by itself and others through fsspec's files."""
    with files.open(f"{at}/t/1.parquet") as file:
        assert polars.scan_parquet(file).select(polars.col("n").sum()).collect().item() == TOTAL
    every = [files.open(path) for path in files.glob(f"{at}/t/*.parquet")]
    scanned = polars.scan_parquet(every).filter(polars.col("part") == 2).select(polars.col("n").sum())
    assert scanned.collect().item() == TOTAL
    read = polars.read_parquet(f"{at}/t/1.parquet", use_pyarrow=True, storage_options=access)
    assert read.shape == (ROWS, 2)
    whole = pyarrow.dataset.dataset(f"{at}/t/".removeprefix("lakefs://"), filesystem=files)
    assert polars.scan_pyarrow_dataset(whole).select(polars.len()).collect().item() == 2 * ROWS
    assert polars.read_csv(fsspec.open(f"{at}/small.csv", **access).open())["name"].to_list() == ["ä", "b"]


def test_pandas(repo: lakefs.Repository, at: str, access: dict[str, str]) -> None:
    assert pandas.read_parquet(f"{at}/t/1.parquet", storage_options=access)["n"].sum() == TOTAL
    assert len(pandas.read_parquet(f"{at}/t/", storage_options=access, columns=["n"])) == 2 * ROWS
    frame = pandas.read_csv(f"{at}/small.csv", storage_options=access)
    assert frame["name"].tolist() == ["ä", "b"]
    for suffix in ("csv", "parquet", "json"):
        address = f"lakefs://{repo.id}/main/out.{suffix}"
        if suffix == "csv":
            frame.to_csv(address, storage_options=access, index=False)
        else:
            getattr(frame, f"to_{suffix}")(address, storage_options=access)
        back = getattr(pandas, f"read_{suffix}")(address, storage_options=access)
        assert back["name"].tolist() == ["ä", "b"]


def test_duckdb(repo: lakefs.Repository, files: LakeFSFileSystem, at: str) -> None:
    with duckdb.connect() as database:
        database.register_filesystem(files)
        assert database.sql(f"SELECT sum(n) FROM read_parquet('{at}/t/1.parquet')").fetchall() == [(TOTAL,)]
        found = database.sql(f"SELECT part, count(*) FROM read_parquet('{at}/t/*.parquet') GROUP BY part ORDER BY part")
        assert found.fetchall() == [(1, ROWS), (2, ROWS)]
        assert database.sql(f"SELECT name FROM read_csv('{at}/small.csv')").fetchall() == [("ä",), ("b",)]
        target = f"lakefs://{repo.id}/main/out.parquet"
        database.sql(f"COPY (SELECT 42 AS x) TO '{target}'")
        assert database.sql(f"FROM '{target}'").fetchall() == [(42,)]
        with pytest.raises(duckdb.IOException):
            database.sql(f"FROM '{at}/none.parquet'").fetchall()


def test_arrow(files: LakeFSFileSystem, at: str) -> None:
    assert pyarrow.parquet.read_table(f"{at}/t/1.parquet".removeprefix("lakefs://"), filesystem=files).num_rows == ROWS
    dataset = pyarrow.dataset.dataset(f"{at}/t/".removeprefix("lakefs://"), filesystem=files)
    assert dataset.count_rows(filter=pyarrow.dataset.field("n") < 10) == 20
