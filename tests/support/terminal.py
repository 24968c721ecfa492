"""The command line as a person uses it: `assay` in a process of its own, on a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 120


@dataclass
class Said:
    """What a command left: exit status, standard output and error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def kind(self) -> str:
        """The kind on the first line of an error."""
        return self.err.partition(":")[0]


@dataclass
class Terminal:
    """Commands on one home; `extra` are further variables."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment: nothing of ASSAY_ but what is said here."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
        return kept | {"ASSAY_HOME": str(self.home), "COLUMNS": "100"} | self.extra

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "catalog.cli.main", *map(str, words)],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Said:
        """Wait for a command."""
        out, err = process.communicate(timeout=PATIENCE)
        return Said(process.returncode, out, err)

    def __call__(self, *words: str | Path) -> Said:
        """Run a command to its end."""
        return self.end(self.start(*words))

    def ok(self, *words: str | Path) -> Said:
        """Run a command that must succeed."""
        said = self(*words)
        assert said.code == 0, (words, said)
        return said

    def refused(self, *words: str | Path) -> Said:
        """Run a command that must fail with a message of ours."""
        said = self(*words)
        assert said.code not in (0, 1), (words, said)
        assert "Traceback" not in said.err, said.err
        return said
