"""The code and environment of a run, as they are: commit, difference, interpreter, packages, host, thread settings."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from catalog.domain.base import sha256
from catalog.domain.run import Code
from catalog.errors import Invalid

LIMIT = 1_000_000
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def code(folder: Path) -> Code:
    """The commit of the work tree around a folder, and its difference from it; without git, that is said."""
    if not folder.exists():
        raise Invalid("path-missing", f"no folder {folder}", do="name the folder of the code with `code=`")
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return Code(commit="none: not in a git repository", dirty=True, entry=sys.argv[0][-4000:])
    difference = _git(folder, "diff", "HEAD") or ""
    return Code(
        commit=commit.strip(),
        dirty=bool(_git(folder, "status", "--porcelain")),
        difference_digest=sha256(difference.encode()) if difference else None,
        difference=difference[:LIMIT],
        entry=sys.argv[0][-4000:],
    )


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def environment() -> dict[str, str]:
    """Interpreter, host class, thread settings, and every installed package by version."""
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "threads": ",".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ) or "default",
        "packages": "\n".join(packages),
        "packages_digest": sha256("\n".join(packages).encode()),
    }
