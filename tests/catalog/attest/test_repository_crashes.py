"""A publisher that dies anywhere leaves the old state or the new one; a full disk the old; two take turns."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import pytest

from catalog.attest.keys import generate
from catalog.attest.repository import ReleaseRepository
from catalog.errors import Conflict
from tests.support import killed_publication
from tests.support.device_client import DeviceClient
from tests.support.releases import CLASS, NOW, Office

ROOT = Path(__file__).parents[3]


def killed(act: str, folder: Path) -> list[Path]:
    """A folder for each file operation before which the act died, and at the end one where it did not."""
    command = [sys.executable, "-m", "tests.support.killed_publication", act, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [folder / str(number) for number in range(1, int(done.stdout) + 1)]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office.begin(tmp_path / "before")
    for name in ("approver-3", "release-2"):
        generate(office.key(name))
    first = office.manifest(1)
    office.publish(first, choices=[office.choice(first)])
    return office


def test_a_publication_killed_anywhere_is_the_old_state_or_the_new(office: Office, tmp_path: Path) -> None:
    old = office.repository.said()
    seen = []
    folders = killed("publish", tmp_path)
    for folder in folders:
        repository = ReleaseRepository(folder / "releases")
        repository.verify(NOW)
        version, said = repository.role(CLASS).version, repository.said()
        assert (version == 2 and said == old) or (version == 3 and said[1] is not None and said[1].releases)
        seen.append(version)
        killed_publication.publish(Office(folder))
        repository.verify(NOW)
        assert repository.role(CLASS).version == 3
        assert not list(repository.folder.rglob(".new-*"))
    assert seen == sorted(seen)
    assert set(seen) == {2, 3}
    assert len(folders) > 15


def test_a_device_that_looks_after_each_death_never_goes_back(office: Office, tmp_path: Path) -> None:
    folders = killed("publish", tmp_path)
    device = DeviceClient(tmp_path / "device", "", (folders[0] / "releases/metadata/1.root.json").read_bytes())
    for folder in folders:
        device.base = f"file://{folder / 'releases'}"
        with mock.patch("tuf.ngclient._internal.trusted_metadata_set.datetime") as clock:
            clock.datetime.now.return_value = NOW
            assert device.get(f"current/{CLASS}.json") is not None
    assert device.versions()["timestamp"] == 3


def test_a_beginning_killed_anywhere_leaves_no_repository_or_a_whole_one(tmp_path: Path) -> None:
    Office.begin(tmp_path / "before")
    shutil.rmtree(tmp_path / "before" / "releases")
    whole = []
    for folder in killed("begin", tmp_path):
        repository = ReleaseRepository(folder / "releases")
        whole.append(repository.exists)
        if repository.exists:
            repository.verify(NOW)
        else:
            killed_publication.begin(Office(folder))
            repository.verify(NOW)
        assert {path.name for path in folder.iterdir()} == {"keys", "releases"}
    assert whole == sorted(whole)
    assert set(whole) == {False, True}


def test_a_rotation_killed_anywhere_is_the_old_keys_or_the_new(office: Office, tmp_path: Path) -> None:
    new, seen = killed_publication.wanted(office), []
    for folder in killed("rotate", tmp_path):
        repository = ReleaseRepository(folder / "releases")
        repository.verify(NOW)
        done = set(repository.keys().approvers) == set(new.approvers)
        seen.append(done)
        if not done:
            killed_publication.rotate(Office(folder))
        repository.verify(NOW)
        assert repository.keys().online == new.online
        assert {path.name for path in repository.folder.iterdir()} == {"metadata", "targets", ".lock"}
        assert repository.role(CLASS).targets.keys() == office.repository.role(CLASS).targets.keys()
    assert seen == sorted(seen)
    assert set(seen) == {False, True}


def test_a_copy_killed_anywhere_is_finished_by_the_next(office: Office, tmp_path: Path) -> None:
    stick = office.folder / "stick"
    office.repository.copy(stick)
    killed_publication.publish(office)
    seen = []
    for folder in killed("copy", tmp_path):
        copied = ReleaseRepository(folder / "stick")
        copied.verify(NOW)
        seen.append(copied.role(CLASS).version)
        killed_publication.copy(Office(folder))
        copied.verify(NOW)
        assert copied.said() == office.repository.said()
    assert seen == sorted(seen)
    assert set(seen) == {2, 3}


def test_a_first_copy_killed_anywhere_is_finished_by_the_next(office: Office, tmp_path: Path) -> None:
    folders = killed("copy", tmp_path)
    for folder in folders:
        killed_publication.copy(Office(folder))
        copied = ReleaseRepository(folder / "stick")
        copied.verify(NOW)
        assert copied.said() == office.repository.said()
        assert not list(copied.folder.rglob(".new-*"))
    assert len(folders) > 15


def test_a_copy_touches_no_folder_that_holds_something_else(office: Office, tmp_path: Path) -> None:
    for name, make in (("a.txt", Path.touch), ("metadata", Path.mkdir), ("link", lambda p: p.symlink_to(tmp_path))):
        stick = tmp_path / f"stick-{name}"
        stick.mkdir()
        make(stick / name)
        if name == "metadata":
            (stick / name / "theirs.json").touch()
        with pytest.raises(Conflict, match="not empty"):
            office.repository.copy(stick)
        assert {path.name for path in stick.iterdir()} == {name}


def test_a_full_disk_leaves_the_old_state(office: Office, tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk; it hits the manifest, the role, and everything after them."""
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.support.killed_publication import publish\nfrom tests.support.releases import Office\n"
        "from catalog.errors import Unavailable\n"
        "office = Office(Path(sys.argv[1])); office.manifest(1); office.manifest(2)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))\n"
        "try:\n    publish(office)\nexcept Unavailable as error:\n    sys.exit(error.kind)\n"
    )
    repository = office.repository
    largest = max(path.stat().st_size for path in (repository.folder / "metadata").iterdir() if CLASS in path.name)
    for limit in (0, 300, 600, largest):
        command = [sys.executable, "-c", script, str(office.folder), str(limit)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stderr.strip() == "disk-full", (limit, done.stderr)
        repository.verify(NOW)
        assert repository.role(CLASS).version == 2
        assert not list(repository.folder.rglob(".new-*"))
    killed_publication.publish(office)
    repository.verify(NOW)
    assert repository.role(CLASS).version == 3


def test_a_file_is_replaced_and_never_rewritten(office: Office) -> None:
    """Who has the old timestamp open reads it to its end; a write that dies half-way hits no file that is named."""
    stamp = office.repository.folder / "metadata" / "timestamp.json"
    before = stamp.read_bytes()
    with stamp.open("rb") as opened:
        killed_publication.publish(office)
        assert opened.read() == before
    assert stamp.read_bytes() != before


def test_publishers_in_many_processes_take_turns(office: Office) -> None:
    script = (
        "import sys; from pathlib import Path\nfrom tests.support.releases import Office\n"
        "from catalog.errors import Conflict\n"
        "office, done = Office(Path(sys.argv[1])), 0\n"
        "for number in range(int(sys.argv[2]), int(sys.argv[2]) + 8):\n"
        "    manifest = office.manifest(number)\n"
        "    while True:\n"
        "        try:\n            office.publish(manifest); break\n"
        "        except Conflict as error:\n            assert error.kind == 'release-outdated', error\n"
    )
    command = [sys.executable, "-c", script, str(office.folder)]
    running = [subprocess.Popen([*command, str(start)], cwd=ROOT) for start in (100, 200, 300)]
    assert [process.wait() for process in running] == [0, 0, 0]
    office.repository.verify(NOW)
    role = office.repository.role(CLASS)
    assert (role.version, len(role.targets)) == (2 + 24, 1 + 24)


def test_who_reads_beside_a_publisher_sees_one_state_or_the_next(office: Office, tmp_path: Path) -> None:
    """Readers, a verification and a copy under way neither fail nor keep the publisher waiting for their end."""
    over, faults = threading.Event(), []

    def read() -> None:
        repository, seen = office.repository, 0
        while not over.is_set():
            try:
                repository.verify(NOW)
                repository.copy(tmp_path / "stick")
                choice, role = repository.said()[0][CLASS], repository.role(CLASS)
                assert f"{CLASS}/{choice.release}.json" in role.targets
                assert role.version >= seen
                seen = role.version
            except BaseException as error:  # noqa: BLE001 - whatever a reader meets is a fault
                faults.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(10, 60):
        manifest = office.manifest(number)
        office.seq += 1
        office.publish(manifest, choices=[office.choice(manifest)])
    over.set()
    reader.join()
    assert not faults, faults
    office.repository.verify(NOW)
