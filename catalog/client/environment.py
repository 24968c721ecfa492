"""The code and environment of a run, as they are: commit, difference, command, interpreter, packages, host."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from catalog.domain.base import sha256
from catalog.domain.run import Code, numeric
from catalog.errors import Invalid

LIMIT = 1_000_000


def code(folder: Path) -> Code:
    """The commit of the work tree around a folder, and its difference from it; without git, that is said."""
    if not folder.exists():
        raise Invalid("path-missing", f"no folder {folder}", do="name the folder of the code with `code=`")
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return Code(commit="none: not in a git repository", dirty=True, entry=sys.argv[0][-4000:])
    top = Path((_git(folder, "rev-parse", "--show-toplevel") or "").rstrip("\n"))
    difference = _git(top, "diff", "--binary", "HEAD") or ""
    here = Path.cwd().resolve()
    return Code(
        commit=commit.strip(),
        dirty=bool(_git(folder, "status", "--porcelain")),
        difference_digest=sha256(difference.encode()) if difference else None,
        difference=difference[:LIMIT],
        entry=sys.argv[0][-4000:],
        command=_command(top, here),
        directory=here.relative_to(top).as_posix() if here.is_relative_to(top) else None,
    )


def _command(top: Path, here: Path) -> tuple[str, ...]:
    """How this process was begun; a file of the work tree by its path from here, so that another work tree has it."""
    words = list(sys.orig_argv)
    for number, word in enumerate(words[1:], start=1):
        path = Path(word)
        if path.is_absolute() and here.is_relative_to(top) and path.is_relative_to(top) and path.is_file():
            words[number] = os.path.relpath(path, here)
    return tuple(words) if len(words) <= 1000 and all(len(word) <= 4000 for word in words) else ()


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def environment() -> dict[str, str]:
    """Interpreter, host class, settings of numeric libraries, and every installed package by version."""
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": processor(),
        "numeric": "\n".join(f"{name}={value}" for name, value in numeric(os.environ).items()),
        "packages": "\n".join(packages),
        "packages_digest": sha256("\n".join(packages).encode()),
    }


def processor() -> str:
    """The processor's own name: kernels of numeric libraries differ by it in the last digits."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
