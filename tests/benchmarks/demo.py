"""The story step by step, as it timed itself: from a log of a run, or from a run made for it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

STEP = re.compile(r"^ +(\d+\.\d) s  (.+)$", re.MULTILINE)
HEADING = "The story in figures"


def run(folder: Path) -> str:
    """Tell the story in a folder of its own; what it printed."""
    command = [sys.executable, "-m", "examples.reach.story", "--demo", str(folder / "demo")]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def steps(told: str) -> dict[str, float]:
    """Seconds of each step, by its title, and of all."""
    _, heading, figures = told.partition(HEADING)
    found = {title: float(seconds) for seconds, title in STEP.findall(figures)}
    if not heading or "in all" not in found:
        raise ValueError("this is no output of a whole story")
    return found
