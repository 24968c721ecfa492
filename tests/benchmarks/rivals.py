"""Add and commit a folder of large files: by import and by upload, against hashing and copying it, and against the tools
that people use for it.

DVC and Oxen come from PyPI into a virtual environment of their own below `build/`, Git LFS is Debian's package
`git-lfs`; a tool that is not there is left out, and said. Each tool gets a fresh repository and the same files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalog.storage.lakefs import LakeFS
from tests.benchmarks.figure import Figure, seconds
from tests.support.lakefs_server import KEY, SECRET, running

FILES, SIZE, THREADS, RUNS = 10_000, 100_000, 8, 3
TOOLS = Path(__file__).resolve().parents[2] / "build" / "rivals"
BASELINE = "hashing and copying"
IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")
OXEN = """
import oxen
repository = oxen.Repo(".", mkdir=True)
oxen.user.config_user("bench", "bench@example.org")
repository.init()
repository.add("data")
repository.commit("bench")
"""


def figures(folder: Path) -> Iterator[Figure]:
    """Medians; what writes to disk is synced by none of the others, the upload alone is durable when answered."""
    data = folder / "files" / "data"
    data.mkdir(parents=True)
    block = os.urandom(SIZE)
    for number in range(FILES):
        (data / f"{number:05d}.bin").write_bytes(number.to_bytes(8, "big") + block[8:])
    baseline = _median(lambda place: _hash_and_copy(data, place), folder)
    note = f"{FILES:,} files of {SIZE / 1e3:.0f} KB"
    with running(folder / "home", "--allow-import", str(data)) as server:
        store = LakeFS(server.url, KEY, SECRET)
        for name, act in (("import and commit", _import), ("upload and commit", _upload)):
            taken = _median(lambda place, act=act: act(store, data, place.name), folder)  # type: ignore[misc]  # bound now
            yield Figure(f"{name}, embedded lakeFS", taken, BASELINE, baseline, RUNS, note)
    for name, tool in _rivals():
        yield Figure(name, _median(tool, folder, data), BASELINE, baseline, RUNS, note)


def _median(act: Callable[[Path], object], folder: Path, linked: Path | None = None) -> float:
    """Of several runs, each in a fresh folder, with the same files in it by hard links where the tool wants them."""
    taken = []
    for number in range(RUNS):
        place = folder / f"run-{number}"
        (place / "data").mkdir(parents=True)
        for file in () if linked is None else linked.iterdir():
            (place / "data" / file.name).hardlink_to(file)
        taken.append(seconds(lambda place=place: act(place)))  # type: ignore[misc]  # bound now
        shutil.rmtree(place)
    return statistics.median(taken)


def _hash_and_copy(data: Path, place: Path) -> None:
    def one(file: Path) -> str:
        content = file.read_bytes()
        (place / file.name).write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, sorted(data.iterdir())))


def _fresh(store: LakeFS, name: str) -> str:
    repository = f"bench-{name}-{os.urandom(4).hex()}"
    store.ensure_repository(repository, {})
    store.ensure_branch(repository, "work", "main")
    return repository


def _import(store: LakeFS, data: Path, name: str) -> None:
    store.import_folder(_fresh(store, name), "work", str(data), "data/", {}, lambda _: None)


def _upload(store: LakeFS, data: Path, name: str) -> None:
    repository, salt = _fresh(store, name), os.urandom(8)

    def one(file: Path) -> None:
        store.upload(repository, "work", f"data/{file.name}", salt + file.read_bytes()[8:] + file.name.encode())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, sorted(data.iterdir())))
    store.commit(repository, "work", "bench", {})


def _rivals() -> Iterator[tuple[str, Callable[[Path], object]]]:
    python = TOOLS / "bin" / "python"
    if not python.exists():
        venv.create(TOOLS, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "dvc==3.67.1", "oxenai==0.65.1"], check=True)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}"}

    def told(place: Path, *commands: list[str]) -> None:
        home = place / "home"
        home.mkdir()
        there = environment | {"HOME": str(home)}
        for command in commands:
            subprocess.run(command, cwd=place, env=there, check=True, stdout=subprocess.DEVNULL)

    git = ["git", *IDENTITY]

    def dvc(place: Path) -> None:
        told(
            place,
            [*git, "init", "--quiet"],
            ["dvc", "init", "--quiet"],
            ["dvc", "add", "--quiet", "data"],
            [*git, "add", "data.dvc", ".gitignore"],
            [*git, "commit", "--quiet", "-m", "bench"],
        )

    def oxen(place: Path) -> None:
        told(place, [str(python), "-c", OXEN])

    def lfs(place: Path) -> None:
        told(
            place,
            [*git, "init", "--quiet"],
            ["git", "lfs", "install", "--local"],
            ["git", "lfs", "track", "*.bin"],
            [*git, "add", "."],
            [*git, "commit", "--quiet", "-m", "bench"],
        )

    yield "add and commit, DVC", dvc
    yield "add and commit, Oxen", oxen
    if subprocess.run(["git", "lfs", "version"], check=False, capture_output=True).returncode == 0:
        yield "add and commit, Git LFS", lfs
    else:
        print("left out: Git LFS (Debian's package git-lfs)", file=sys.stderr)
