"""A harness for tests: a world in which each model fails on the seeds that the test says, as a simulator would find out.

`World(folder).command` is what an operator would have installed for a protocol. The child that runs it is the product's
own; only what is simulated is the test's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

NAME, VERSION, ORIGIN = "mujoco-reach", "1", "simulated"
FAILURES = "failures.json"


class World:
    """Which seeds fail in this world, kept where the child finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._failing: set[int] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self.fails((), ())

    def fails(self, seeds: Iterable[int], among: Iterable[int]) -> None:
        """Of the seeds of one plan these fail, and no other."""
        self._failing = self._failing - set(among) | set(seeds)
        (self.folder / FAILURES).write_text(json.dumps(sorted(self._failing)))

    def command(self, _protocol: str) -> tuple[str, ...]:
        """How the operator's harness of any protocol is run."""
        return (sys.executable, "-I", __file__, str(self.folder))


def trials(_folder: Path, seeds: Sequence[int], _progress: Callable[[int, int], None]) -> Iterator[dict[str, Any]]:
    """One row a seed, as the world is."""
    failing = set(json.loads((Path(sys.argv[1]) / FAILURES).read_text()))
    for seed in seeds:
        success = seed not in failing
        yield {
            "seed": seed,
            "outcome": "success" if success else "failure",
            "distance_m": 0.01 if success else 0.2,
        }


def step(_folder: Path) -> Callable[[], object]:
    """Nothing to time."""
    return lambda: None


if __name__ == "__main__":
    from catalog.services import harness_child

    harness_child.limit()
    harness_child.run("__main__", Path(sys.argv[2]))
