"""The embedded lakeFS's store at a million objects against 100,000: a commit grows with them, edits do not.

Each size has a process of its own, whose peak of resident memory is told in the note. The objects are staged as an import
stages them; only their bytes are absent, which no commit reads.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from infra.lakefs.home import Home
from infra.lakefs.store import Store, objects, refs, repositories, staging
from infra.lakefs.store.commit import commit
from infra.lakefs.store.diff import changes
from infra.lakefs.store.entries import Entry, make_entry
from infra.lakefs.store.merge import merge
from tests.benchmarks.figure import Figure, seconds

SMALL, LARGE = 100_000, 1_000_000
EDITS, RUNS = 10, 7
CHUNK = 2048  # rows staged in one transaction


def figures(folder: Path) -> Iterator[Figure]:
    """Seconds inside the store, medians where a step can be repeated."""
    small, large = (_measured(folder / f"lakefs-{count}", count) for count in (SMALL, LARGE))
    yield Figure(
        f"commit of {LARGE:,} objects",
        large["commit"],
        f"{LARGE // SMALL} commits of {SMALL:,}",
        small["commit"] * (LARGE // SMALL),
        1,
        f"resident memory at most {large['peak']:.0f} MB, {small['peak']:.0f} MB with {SMALL:,}",
    )
    yield Figure(
        "upload to another branch during it",
        large["upload during"],
        "upload at rest",
        large["upload at rest"],
        1,
        f"{large['uploads']:.0f} uploads meanwhile, the slowest {large['slowest'] * 1e3:.0f} ms",
    )
    for step in (f"commit of {EDITS} edits", f"diff of {EDITS} edits", "merge of them", "merge, both sides changed"):
        yield Figure(f"{step} among {LARGE:,}", large[step], f"among {SMALL:,}", small[step], RUNS)


def _measured(home: Path, count: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(home), str(count)], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure(store: Store, count: int) -> dict[str, float]:
    found: dict[str, float] = {}
    store.database.write(lambda c: repositories.create(c, "repo", "local://repo", "main", False, store.clock()))
    for name in ("work", "other"):
        store.database.write(lambda c, name=name: refs.create_branch(c, "repo", name, "main", False, False))
    _stage(store, "main", (_entry(number) for number in range(count)))
    at_rest = _uploads(store, "rest", lambda taken: len(taken) < 50)
    committed = threading.Event()
    during: list[float] = []
    uploader = threading.Thread(
        target=lambda: during.extend(_uploads(store, "during", lambda _: not committed.is_set()))
    )
    uploader.start()
    found["commit"] = seconds(lambda: commit(store, "repo", "main", "all", {}))
    committed.set()
    uploader.join()
    found |= {"upload at rest": statistics.median(at_rest), "upload during": statistics.median(during)}
    found |= {"uploads": len(during), "slowest": max(during)}
    merge(store, "repo", "main", "work")
    steps: dict[str, list[float]] = {}
    for run in range(RUNS):
        _measure_edits(store, count, run, steps)
    return found | {step: statistics.median(taken) for step, taken in steps.items()} | {"peak": _peak()}


def _measure_edits(store: Store, count: int, run: int, steps: dict[str, list[float]]) -> None:
    def taken(step: str, work: Callable[[], object]) -> None:
        steps.setdefault(step, []).append(seconds(work))

    def differing() -> int:
        with store.database.read() as connection:
            trees = [store.trees.load(refs.resolve_commit(connection, "repo", ref).tree) for ref in ("main", "work")]
        return len(list(changes(store.ranges, *trees)))

    _stage(store, "work", (_entry(at * (count // EDITS) + run, b"work") for at in range(EDITS)))
    taken(f"commit of {EDITS} edits", lambda: commit(store, "repo", "work", "ten", {}))
    taken(f"diff of {EDITS} edits", differing)
    taken("merge of them", lambda: merge(store, "repo", "work", "main"))
    for branch, shift in (("main", 200), ("work", 300)):
        _stage(store, branch, (_entry(at * (count // EDITS) + shift + run, b"both") for at in range(EDITS)))
        commit(store, "repo", branch, "both", {})
    taken("merge, both sides changed", lambda: merge(store, "repo", "work", "main"))
    merge(store, "repo", "main", "work")


def _entry(number: int, salt: bytes = b"") -> Entry:
    content = hashlib.sha256(b"%d" % number + salt).digest()
    path = b"data/%04d/%07d.bin" % (number // 1000, number)
    return make_entry(path, content, content[:16], 100_000 + number, 1_700_000_000, "application/octet-stream", {})


def _stage(store: Store, branch: str, entries: Iterable[Entry]) -> None:
    waiting = iter(entries)
    while chunk := list(itertools.islice(waiting, CHUNK)):
        store.database.write(lambda c, chunk=chunk: staging.put_many(c, "repo", branch, chunk))


def _uploads(store: Store, prefix: str, goes_on: Callable[[list[float]], bool]) -> list[float]:
    """The seconds of each of the uploads, one after another."""
    taken: list[float] = []
    while goes_on(taken):
        name = f"{prefix}/{len(taken)}".encode()
        started = time.perf_counter()
        objects.stage(store, "repo", "other", name, store.blobs.put(name), "text/plain", {})
        taken.append(time.perf_counter() - started)
    return taken


def _peak() -> float:
    """The most memory this process ever had in use, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def _main(home: Path, count: int) -> None:
    with Home(home) as opened:
        store = Store(opened.folder, lambda: time.time_ns() // 1000, "bench")
        try:
            print(json.dumps(_measure(store, count)))
        finally:
            store.close()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
