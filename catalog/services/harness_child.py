"""The process in which an installed harness runs trials again: no keys, no service, little memory, little time.

`python -I -m catalog.services.harness_child MODULE FOLDER` reads seeds (a JSON list) from standard input and writes one
JSON line with what the harness says it is, then one a trial. Only these lines reach standard output: whatever the
harness prints goes to standard error. The limits are set before anything of the harness is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import IO

from catalog.domain.harness import checked

MEMORY = 8 * 2**30  # bytes of address space: numeric libraries reserve far more than they use
WRITTEN = 64 * 2**20  # bytes of one file
CPU = 3600  # seconds on all cores together


def main() -> None:
    """Run the module that the command line names."""
    module, folder = sys.argv[1:3]
    limit()
    run(module, Path(folder))


def limit() -> None:
    """Take away what a harness needs not; a limit that is lower already stays."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, WRITTEN),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


def run(name: str, folder: Path) -> None:
    """Import the harness and write its trials of the seeds given."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        seeds = [int(seed) for seed in json.load(sys.stdin)]
        module = checked(name, importlib.import_module(name))
        _say(answers, {"name": module.NAME, "version": module.VERSION, "origin": module.ORIGIN})
        for row in module.trials(folder, seeds, lambda _done, _of: None):
            _say(answers, {part: row[part] for part in ("seed", "outcome", "distance_m")})


def _say(answers: IO[str], document: dict[str, object]) -> None:
    print(json.dumps(document, allow_nan=False), file=answers, flush=True)


if __name__ == "__main__":
    main()
