"""Killed, or out of disk, at any change of the disk: the old release or the new one, whole, and the next pull ends it."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.edge.device import Device
from infra.edge.fetch import source
from infra.edge.pull import pull
from infra.edge.start import load
from tests.infra.edge.act import ENDED
from tests.infra.edge.site import Site, model, npz, wall

EVERY = 12  # of each so many changes one is tried in the suite; all of them were tried by hand


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Release 1 installed; release 2 published; by the machine's own clock, as processes have no other."""
    site = Site.begin(tmp_path_factory.mktemp("site"), wall())
    one = site.promote(site.manifest(1))
    site.pull()
    site.office.seq += 1
    big = {**model(2), "large.npz": npz(w=bytes_of(300_000))}
    site.promote(site.manifest(2, big), one)
    return site


def bytes_of(size: int) -> object:
    import numpy as np

    return np.frombuffer(random.Random(7).randbytes(size), dtype=np.uint8)


def act(site: Site, home: Path, number: int, how: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.infra.edge.act", str(home), str(site.releases), str(number), how]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def copy(site: Site, tmp_path: Path, name: str) -> Path:
    return Path(shutil.copytree(site.home, tmp_path / name))


def changes(site: Site, tmp_path: Path) -> int:
    """How many changes a whole pull makes."""
    low, high = 1, 1024
    while low < high:
        middle = (low + high) // 2
        ended = act(site, copy(site, tmp_path, f"count-{middle}"), middle, "kill").returncode
        low, high = (low, middle) if ended == ENDED else (middle + 1, high)
    return low - 1


def holds(site: Site, home: Path) -> None:
    """What starts now is the old release or the new one, whole; a pull brings the new one; nothing is left over."""
    device = Device(home)
    found = load(device)
    assert found.number in {1, 2}
    assert found.files["weights.npz"] == model(found.number)["weights.npz"]
    done = pull(device, source(str(site.releases), "token"))
    assert done.number == 2
    assert load(device).number == 2
    device.clean(device.state())
    assert not [*home.rglob(".*.new"), *(home / "incoming").iterdir(), *(home / "run").iterdir()]
    numbers = [int(path.stem) for path in sorted((home / "outbox").iterdir())]
    assert numbers == sorted(set(numbers))


def test_killed_at_any_change(waiting: Site, tmp_path: Path) -> None:
    total = changes(waiting, tmp_path)
    assert total > 40
    for number in range(1 + random.Random(total).randrange(EVERY), total + 1, EVERY):
        home = copy(waiting, tmp_path, f"killed-{number}")
        assert act(waiting, home, number, "kill").returncode == -signal.SIGKILL
        holds(waiting, home)


def test_killed_again_and_again(waiting: Site, tmp_path: Path) -> None:
    home, draw = copy(waiting, tmp_path, "often"), random.Random(11)
    for _ in range(8):
        act(waiting, home, draw.randrange(1, 80), "kill")
    holds(waiting, home)


def test_a_disk_that_is_full_from_any_change_on(waiting: Site, tmp_path: Path) -> None:
    total = changes(waiting, tmp_path)
    for number in range(2, total + 1, EVERY):
        home = copy(waiting, tmp_path, f"full-{number}")
        ended = act(waiting, home, number, "full")
        if ended.returncode != ENDED:  # only removals were left
            assert (ended.returncode, ended.stdout) == (6, "disk-full\n"), ended.stderr
        holds(waiting, home)


@pytest.mark.parametrize("limit", [100_000, 4096])
def test_a_file_that_the_disk_cannot_take(waiting: Site, tmp_path: Path, limit: int) -> None:
    """The limit is on bytes written, so the file breaks off in the middle, as on a full disk."""
    home = copy(waiting, tmp_path, "bounded")
    ended = act(waiting, home, limit, "grow")
    assert (ended.returncode, ended.stdout) == (6, "disk-full\n"), ended.stderr
    assert load(Device(home)).number == 1
    holds(waiting, home)
