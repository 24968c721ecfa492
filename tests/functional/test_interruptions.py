"""What happens to a person: Ctrl-C in an ingest, a killed service, a full disk, a port in use, a second service."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from catalog.client import Catalog
from catalog.settings import Settings
from tests.support.house import ROBOT
from tests.support.recordings import recording
from tests.support.terminal import Terminal

PATIENCE = 60


@pytest.fixture
def assay(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(tmp_path / "home", {"ASSAY_POLL_SECONDS": "0.5"})
    found.ok("init")
    yield found
    found("down")


def big(folder: Path, files: int = 60, size: int = 2**20) -> Path:
    """A recording whose ingest takes long enough to be interrupted."""
    recording(folder)
    rng = np.random.default_rng(0)
    for number in range(files):
        (folder / f"meta/extra-{number:04d}.bin").write_bytes(rng.bytes(size))
    return folder


def running(assay: Terminal) -> list[str]:
    return [o["kind"] for o in assay("status", "--json").json["running"]]


def wait_for(assay: Terminal, process: subprocess.Popen[str]) -> None:
    """Until the ingest runs, seen by a client that is fast enough to catch it."""
    deadline = time.monotonic() + PATIENCE
    with Catalog("viewer", Settings(home=assay.home)) as catalog:
        while [o.kind for o in catalog.status().running] != ["register"]:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline


def test_ctrl_c_in_the_middle_of_an_ingest(assay: Terminal, tmp_path: Path) -> None:
    folder = big(tmp_path / "one", files=4000, size=1000)  # seconds of small files
    process = assay.start("dataset", "register", "arm", folder, "--ingest", "one")
    wait_for(assay, process)
    process.send_signal(signal.SIGINT)
    said = assay.end(process)
    assert said.code == 130, said
    assert "Traceback" not in said.err
    status = assay.ok("status", "--json").json
    assert (status["running"], status["versions"]) == ([], 0)
    actions = [e["action"] for e in assay.ok("audit", "list", "--json").json]
    assert actions[-1] == "register.cancelled"
    assay.ok("dataset", "register", "arm", folder, "--ingest", "one")
    assay.ok("audit", "verify")


def test_the_service_is_killed_in_the_middle_of_an_ingest(assay: Terminal, tmp_path: Path) -> None:
    folder = big(tmp_path / "one")
    process = assay.start("dataset", "register", "arm", folder, "--ingest", "one")
    wait_for(assay, process)
    address = json.loads((assay.home / "service.json").read_text())
    psutil.Process(address["pid"]).kill()
    said = assay.end(process)
    assert "Traceback" not in said.err
    if said.code == 0:  # the client started the service again, and it finished the ingest
        assert "registered" in said.out
    deadline = time.monotonic() + PATIENCE
    while running(assay):
        assert time.monotonic() < deadline
    status = assay.ok("status", "--json").json
    assert status["versions"] == 1
    assay.ok("audit", "verify")
    assert assay("dataset", "check", "arm", "--ingest", "one").code == 0


def test_a_full_disk(assay: Terminal, tmp_path: Path) -> None:
    """No file of the service or its store may grow beyond a megabyte, as if the disk were full; then it may again."""
    folder = big(tmp_path / "one", files=2)
    (folder / "meta/extra-0000.bin").write_bytes(b"x" * (8 * 2**20))
    assay.ok("status")
    service = psutil.Process(json.loads((assay.home / "service.json").read_text())["pid"])
    processes = [service, *service.children(recursive=True)]
    assert len(processes) >= 2
    for process in processes:
        process.rlimit(psutil.RLIMIT_FSIZE, (2**20, psutil.RLIM_INFINITY))
    said = assay.refused("dataset", "register", "arm", folder, "--ingest", "one")
    assert (said.code, said.kind) == (6, "disk-full"), said
    assert "do:" in said.err
    for process in processes:
        process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    deadline = time.monotonic() + PATIENCE
    while running(assay):
        assert time.monotonic() < deadline
    if assay.ok("status", "--json").json["versions"] == 0:
        assay.ok("dataset", "register", "arm", folder, "--ingest", "one")
    (tmp_path / "robot.json").write_text(json.dumps(ROBOT))
    assay.ok("robot", "register", tmp_path / "robot.json", "--suite", "arm@1")
    assay.ok("dataset", "check", "arm", "--ingest", "one")
    assay.ok("dataset", "approve", "arm", "--ingest", "one")
    assay.ok("audit", "verify")


def test_a_port_in_use_and_a_second_service(assay: Terminal, tmp_path: Path) -> None:
    assay.ok("down")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = assay.refused("serve", "--port", str(taken.getsockname()[1]))
    assert (said.code, json.loads(said.err.splitlines()[-1])["kind"]) == (5, "port-in-use")
    assay.ok("status")
    said = assay.refused("serve")
    assert (said.code, json.loads(said.err.splitlines()[-1])["kind"]) == (5, "home-locked")
    assay.ok("status")


def test_down_leaves_nothing_running(assay: Terminal) -> None:
    service = psutil.Process(json.loads((assay.home / "service.json").read_text())["pid"])
    family = [service, *service.children(recursive=True)]
    assay.ok("down")
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert not (assay.home / "service.json").exists()
    assert assay.ok("down").out.strip() == "no service runs"


def test_a_newer_home_says_so_through_the_client(assay: Terminal) -> None:
    assay.ok("down")
    with sqlite3.connect(assay.home / "records.db") as c:
        c.execute("update alembic_version set version_num = '9999'")
    c.close()
    said = assay.refused("status")
    assert (said.code, said.kind) == (7, "home-newer")
    with sqlite3.connect(assay.home / "records.db") as c:
        assert c.execute("select version_num from alembic_version").fetchone() == ("9999",)
        c.execute("update alembic_version set version_num = '0001'")
    c.close()
