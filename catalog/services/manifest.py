"""The manifest and its two tables, as files below `.assay/` of a commit, and back."""

from __future__ import annotations

import io

import polars as pl

from catalog.domain.base import sha256
from catalog.domain.dataset import Episode, Manifest, ObjectEntry
from catalog.errors import Damaged
from catalog.storage.port import VersionStore

FOLDER = ".assay/"
MANIFEST = ".assay/manifest.json"
EPISODES = ".assay/episodes.parquet"
OBJECTS = ".assay/objects.parquet"
PATHS = frozenset({MANIFEST, EPISODES, OBJECTS})

_EPISODES: dict[str, pl.DataType | type[pl.DataType]] = {
    "root": pl.String,
    "index": pl.Int64,
    "fingerprint": pl.String,
    "length": pl.Int64,
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "objects": pl.List(pl.String),
    "robot": pl.String,
    "rig": pl.String,
    "site": pl.String,
    "operator": pl.String,
    "seed": pl.String,
}
_OBJECTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "path": pl.String,
    "size": pl.Int64,
    "sha256": pl.String,
    "store_checksum": pl.String,
    "digest_origin": pl.String,
    "rows": pl.Boolean,
}


def tables(episodes: list[Episode], objects: list[ObjectEntry]) -> tuple[bytes, bytes]:
    """The Parquet bytes of both tables, rows sorted, equal for equal content."""
    return (
        _parquet([e.document() for e in sorted(episodes, key=lambda e: (e.root, e.index))], _EPISODES),
        _parquet([o.document() for o in sorted(objects, key=lambda o: o.path)], _OBJECTS),
    )


def _parquet(rows: list[dict[str, object]], schema: dict[str, pl.DataType | type[pl.DataType]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(out, compression="zstd", statistics=False)
    return out.getvalue()


def read_tables(
    store: VersionStore, repository: str, commit: str, manifest: Manifest
) -> tuple[list[Episode], list[ObjectEntry]]:
    """Both tables of a commit, refused unless their digests are those of the manifest."""
    episodes = _read(store, repository, commit, EPISODES, manifest.episodes_table)
    objects = _read(store, repository, commit, OBJECTS, manifest.objects_table)
    return (
        [Episode.of(row) for row in pl.read_parquet(episodes).to_dicts()],
        [ObjectEntry.of(row) for row in pl.read_parquet(objects).to_dicts()],
    )


def episodes_table(store: VersionStore, repository: str, commit: str, manifest: Manifest) -> bytes:
    """The episodes' Parquet bytes of a commit, refused unless their digest is that of the manifest."""
    return _read(store, repository, commit, EPISODES, manifest.episodes_table)


def _read(store: VersionStore, repository: str, commit: str, path: str, digest: str) -> bytes:
    data = b"".join(store.read(repository, commit, path))
    if sha256(data) != digest:
        raise Damaged(
            "digest-mismatch", f"{path} is not the table that the manifest names", where=f"{repository}@{commit[:12]}"
        )
    return data
