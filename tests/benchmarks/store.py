"""Upload and commit through the embedded lakeFS, against the same files written plainly and synced one by one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.check_suite import record
from tests.benchmarks.figure import Figure, compare
from tests.support.house import House

THREADS = 8  # as many as the service uploads with


def figures(folder: Path) -> Iterator[Figure]:
    """The story's simulated dataset, every file an object."""
    data = record(folder)
    files = {p.relative_to(data).as_posix(): p.read_bytes() for p in sorted(data.rglob("*")) if p.is_file()}
    number = itertools.count()
    with House.begin(folder / "store").open() as desk:
        store = desk.store
        store.ensure_repository("data-bench", {})

        def commit() -> None:
            """Bytes that the store has not seen: each run salts them."""
            branch = f"ingest-{next(number)}"
            store.ensure_branch("data-bench", branch, "main")
            salt = branch.encode()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda item: store.upload("data-bench", branch, item[0], item[1] + salt), files.items()))
            store.commit("data-bench", branch, "bench", {})

        def plain() -> None:
            place = folder / f"plain-{next(number)}"
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda item: _synced(place / item[0], item[1]), files.items()))

        size = sum(map(len, files.values())) / 1e6
        found = compare("upload and commit, embedded lakeFS", commit, "files, each synced", plain, runs=5)
        note = f"{len(files)} objects, {size:.1f} MB, {THREADS} at once: {len(files) / found.seconds:.0f} objects/s"
        yield Figure(found.name, found.seconds, found.baseline, found.baseline_seconds, found.runs, note)


def _synced(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
