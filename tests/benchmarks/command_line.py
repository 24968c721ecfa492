"""`assay --help`, a whole process: the price of typing the command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.figure import Figure, compare


def figures(_folder: Path) -> Iterator[Figure]:
    """Help and a subcommand's help, against an interpreter that does nothing."""
    for words in (["--help"], ["dataset", "register", "--help"]):
        yield compare(
            f"assay {' '.join(words)}",
            partial(_run, "-m", "catalog.cli.main", *words),
            "python -c pass",
            partial(_run, "-c", "pass"),
            runs=7,
        )


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
