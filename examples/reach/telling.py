"""How the story is told: every step runs real commands, shows them, and must end as the story says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = 1  # exit status of a check that found something blocking
EITHER = -1  # the data is yours: clean or not
BLOCKED = 3  # exit status of a refusal


class StoryError(Exception):
    """A step did not end as the story says."""


@dataclass
class Story:
    """One telling: where it builds, and what each step took."""

    place: Path
    console: Console
    times: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
        self.environment |= {"ASSAY_HOME": str(self.place / "home"), "PYTHONPATH": str(ROOT), "COLUMNS": "118"}

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One numbered step, timed."""
        self.console.rule(f"[bold]{len(self.times) + 1}. {title}", align="left")
        started = time.perf_counter()
        yield
        self.times.append((title, time.perf_counter() - started))
        self.console.print(f"  ({self.times[-1][1]:.1f} s)\n", style="dim")

    def say(self, text: str) -> None:
        """A sentence between commands."""
        self.console.print(text, style="italic", markup=False)

    def assay(self, *words: str | Path, status: int = 0) -> None:
        """Run one `assay` command, showing it; it must end with this status."""
        self.run([sys.executable, "-m", "catalog.cli.main", *map(str, words)], "assay", words, status)

    def job(self, *words: str | Path) -> None:
        """Run the training job, showing it."""
        self.run(
            [sys.executable, "-m", "examples.reach.job", *map(str, words)], "python -m examples.reach.job", words, 0
        )

    def edge(self, *words: str | Path, status: int = 0) -> None:
        """Run one `assay-edge` command as the device, showing it."""
        home = ("--home", self.device)
        command = [sys.executable, "-m", "infra.edge.main", words[0], *map(str, home), *map(str, words[1:])]
        self.run([str(word) for word in command], "assay-edge", words, status)

    @property
    def device(self) -> Path:
        """The home of the simulated device."""
        return self.place / "device" / "arm-7"

    @property
    def url(self) -> str:
        """The address of the service that runs; started when none does."""
        self.ask("status")
        return str(json.loads((self.place / "home" / "service.json").read_text())["url"])

    def run(self, command: list[str], name: str, words: Sequence[str | Path], status: int) -> None:
        """Run one command with its output on the terminal."""
        self._show(name, words)
        done = subprocess.run(command, env=self.environment, cwd=ROOT, check=False)
        self._expect(name, words, done.returncode, status)

    def quietly(self, *words: str | Path, lines: int = 1, status: int = 0) -> None:
        """Run one `assay` command whose output was shown before; only what it says last is shown."""
        self._show("assay", words)
        command = [sys.executable, "-m", "catalog.cli.main", *map(str, words)]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
        self._expect("assay", words, done.returncode, status)
        said = done.stdout.rstrip().splitlines()
        self.console.print("\n".join(["…", *said[-lines:]]) if lines > 1 else f"… {said[-1]}", markup=False)

    def installed(self) -> str:
        """The release that the device has installed, by id."""
        return str(self._told("status")["current"])

    def kept_head(self) -> str:
        """The audit head that the device kept."""
        return str(self._told("head")["head"])

    def _told(self, act: str) -> Any:
        command = [sys.executable, "-m", "infra.edge.main", act, "--home", str(self.device), "--json"]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    @staticmethod
    def remove(folder: Path) -> None:
        """Remove a folder whose parts may be read-only."""
        for here, _, _ in os.walk(folder):
            Path(here).chmod(0o755)
        shutil.rmtree(folder)

    def side_by_side(self, *commands: Sequence[str | Path]) -> None:
        """Run several `assay` commands at once; all must succeed."""
        for words in commands:
            self._show("assay", words)
        begun = [
            subprocess.Popen(
                [sys.executable, "-m", "catalog.cli.main", *map(str, words)], env=self.environment, cwd=ROOT
            )
            for words in commands
        ]
        for words, process in zip(commands, begun, strict=True):
            self._expect("assay", words, process.wait(), 0)

    def ask(self, *words: str, status: int = 0) -> Any:
        """What one `assay` command answers as JSON, shown by nobody; it must end with this status."""
        command = [sys.executable, "-m", "catalog.cli.main", *words, "--json"]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, check=False, stdout=subprocess.PIPE)
        self._expect("assay", words, done.returncode, status)
        return json.loads(done.stdout)

    def check_again(self, *words: str, status: int) -> None:
        """Check in the catalog what was looked at before: its findings are the ones shown above."""
        self._show("assay", ("dataset", "check", *words))
        found = self.ask("dataset", "check", *words, status=status)
        self.console.print(f"{found['objects_verified']} objects re-read; {len(found['findings'])} findings, as above")

    def plan(self, model: str) -> str:
        """Make a plan for a model; its id."""
        words = ("plan", model, "--device-class", "demo-arm", "--line", "reach")
        self._show("assay", words)
        plan = self.ask(*words)["plan"]
        self.console.print(
            f"plan {plan['id']}: attempt {plan['k']} of line reach, alpha {plan['alpha']:.3g}; then seeds"
        )
        return str(plan["id"])

    def _show(self, name: str, words: Sequence[str | Path]) -> None:
        shown = " ".join(self._short(str(w)) for w in words)
        self.console.print(f"$ {name} {shown}", style="bold cyan", markup=False, highlight=False)

    def _short(self, word: str) -> str:
        word = (
            word.replace(sys.executable, "python")
            .replace(str(self.place), "demo/latest")
            .replace(str(ROOT) + "/", "")
            .replace(str(ROOT.parent), "..")
        )
        return f"'{word}'" if " " in word else word

    def _expect(self, name: str, words: Sequence[str | Path], found: int, wanted: int) -> None:
        if found != wanted and not (wanted == EITHER and found in (0, BLOCKS)):
            raise StoryError(f"`{name} {' '.join(map(str, words))}` ended with {found}, the story says {wanted}")
