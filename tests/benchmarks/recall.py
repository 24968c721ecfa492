"""Recall over a million nodes and three million edges: what it reaches, each time in a new process that never saw it."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from catalog.db import graph
from catalog.db.door import Records
from catalog.db.migrate import begin, migrate
from catalog.domain.clock import uuid7, wall_clock
from catalog.services.reach import reach
from catalog.services.revoked import UNFOLLOWED
from tests.benchmarks.figure import Figure, in_units
from tests.benchmarks.lineage_graph import Shape, fill

RUNS = 40
START = "urn:assay:source:rig:bad"


def figures(folder: Path) -> Iterator[Figure]:
    """The walk over the edges, against one look at each node it reached; and the whole answer with names and paths."""
    path = folder / "recall" / "records.db"
    path.parent.mkdir()
    records = Records(path, wall_clock)
    migrate(records.engine)
    begin(records.engine, wall_clock, uuid7)
    edges = fill(records.engine, Shape())
    records.close()
    found = [json.loads(_cold(path)) for _ in range(RUNS)]
    reached = {f["reached"] for f in found}
    if len(reached) != 1 or not 9_000 < (count := reached.pop()) <= 10_000:
        raise RuntimeError(f"the rig reaches {reached} nodes, which is not what is to be measured")
    looks, world = sorted(f["look"] for f in found), f"{count} nodes of a million over {edges / 1e6:.1f} million edges"
    for key, title in (("walk", "recall: the walk, cold"), ("answer", "recall: the answer with names and paths")):
        taken = sorted(f[key] for f in found)
        note = f"p95 {in_units(taken[int(0.95 * RUNS)])} of {RUNS} new processes; {world}"
        yield Figure(title, statistics.median(taken), "a look at each node", statistics.median(looks), RUNS, note)


def _cold(path: Path) -> bytes:
    return subprocess.run([sys.executable, "-m", __name__, str(path)], check=True, stdout=subprocess.PIPE).stdout


def main(path: str) -> None:
    """In a process of its own: walk, then answer, then look at each node once."""
    gc.freeze()  # as the service does when it is ready
    records = Records(Path(path), wall_clock)
    with records.read() as c:
        c.exec_driver_sql("select 1")
        started = time.perf_counter()
        tree: graph.Tree = {START: None}
        graph.extend(c, tree, list(tree), skipped=UNFOLLOWED)
        walked = time.perf_counter()
        answer = reach(c, START)
        answered = time.perf_counter()
        for node in tree:
            c.exec_driver_sql("select kind from edge where src = ? limit 1", (node,)).first()
        looked = time.perf_counter()
    records.close()
    if len(answer.reached) != len(tree):
        raise RuntimeError("the answer is not what was walked")
    said = {"reached": len(tree), "walk": walked - started, "answer": answered - walked, "look": looked - answered}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
