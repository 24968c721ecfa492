"""A small catalog with everything the pages show, hostile text in it, and the pages over the real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from catalog.client.launch import ensure
from catalog.domain.approved import Wanted
from catalog.domain.run import RunEnd
from catalog.services import train
from catalog.services.judge_model import judge_model
from catalog.settings import Settings
from tests.attack.attacker import Attack
from tests.support.devices import Arm
from tests.support.house import Desk, House, model_folder
from tests.support.recordings import recording

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    '<img src="http://evil.example/a.png"> ![x](http://evil.example/b.png) **[go](http://evil.example/c)** :red[x] $y$'
)
REASON = f"gap in the clock {HOSTILE}"
PATIENCE = 60.0
CODE = "the-code-that-assay-up-printed"


@dataclass(frozen=True)
class Site:
    """The pages of one home."""

    url: str
    home: House


def fill(desk: Desk, folder: Path) -> None:
    """An approved dataset, one with a quarantined episode, a model with that episode among its inputs, a run that failed."""
    desk.bring("arm-clean", "one", recording(folder / "clean", seed=1, kind="synthetic", **simulated("simulated")))
    bad = recording(
        folder / "bad",
        seed=2,
        rig=f"rig {HOSTILE}",
        spoil={1: "gap"},
        kind="synthetic",
        licence=HOSTILE[:190],
        **simulated("stand-in"),
    )
    desk.register("arm-bad", "week-1", bad)
    desk.check("arm-bad", "week-1")
    desk.quarantine("arm-bad", "week-1", [1], reason=REASON)
    desk.register("arm-raw", "later", recording(folder / "raw", seed=3))
    run = desk.start_run("fit")
    train.give_version(desk.context, "engineer", run.id, Wanted(dataset="arm-clean", version="*"))
    train.give_folder(desk.context, "engineer", run.id, str(bad))
    train.end_run(desk.context, "engineer", run.id, RunEnd(status="finished", observed=True))
    broken = desk.start_run("broken")
    train.give_version(desk.context, "engineer", broken.id, Wanted(dataset="arm-clean", version="*"))
    train.end_run(desk.context, "engineer", broken.id, RunEnd(status="failed", observed=True))
    desk.register_model("tainted", model_folder(folder / "tainted", 1), run.id)
    desk.register_model("wild", model_folder(folder / "wild", 2))
    judge_model(desk.context, "viewer", "tainted", "demo-arm")


def simulated(maker: str) -> dict[str, object]:
    """The source of a recording that a simulator made."""
    engine = {"name": "mujoco", "version": "3", "scene_digest": f"sha256:{'5' * 64}", "seed": 7}
    return {"maker": maker, "engine": engine, "description": HOSTILE}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages, served as `assay up` serves them."""
    folder = tmp_path_factory.mktemp("site")
    house = House.begin(folder, idle_seconds=600)
    with house.open() as desk:
        fill(desk, folder)
    with pages(house.settings) as url:
        yield Site(url, house)


def fill_fleet(desk: Desk, attack: Attack, folder: Path) -> None:
    """A fleet of three: two run release 1, one was never heard; a second model waits for its approval."""
    desk.bring("arm", "one", recording(folder / "arm", seed=1, rig=f"rig {HOSTILE}"))
    arms = [Arm.enrol(desk, folder, name) for name in ("arm-7", "arm-8", "arm-9")]
    attack.eligible("reach-first", folder / "first", 1, line="first")
    desk.release("reach-first")
    for arm in arms[:2]:
        arm.report()
    attack.eligible("reach-second", folder / "second", 2, line="second")


@pytest.fixture(scope="module")
def fleet_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages of a home with a fleet."""
    folder = tmp_path_factory.mktemp("fleet")
    house = House.begin(folder, idle_seconds=600)
    with house.open() as desk:
        fill_fleet(desk, Attack(house, desk), folder)
    with pages(house.settings) as url:
        yield Site(url, house)


@pytest.fixture(scope="module")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages of a home in which nothing happened yet."""
    house = House.begin(tmp_path_factory.mktemp("empty"))
    with pages(house.settings) as url:
        yield Site(url, house)


class pages:  # noqa: N801
    """Service and browser of a home while the block runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> str:
        service = ensure(self.settings)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "STREAMLIT_"))}
        names = {"ASSAY_HOME": str(self.settings.home), "ASSAY_URL": service, "ASSAY_PRINCIPAL": "viewer"}
        names |= {"ASSAY_BROWSER_CODE": CODE}
        port = free_port()
        flags = ["address=127.0.0.1", f"port={port}", "headless=true", "fileWatcherType=none"]
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui/app.py")]
        command += [f"--server.{flag}" for flag in flags]
        command += ["--browser.gatherUsageStats=false", "--client.toolbarMode=minimal", "--client.showErrorLinks=false"]
        self.browser = subprocess.Popen(command, env=clean | names, cwd=ROOT, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_stcore/health", self.browser)
        return url

    def __exit__(self, *_: object) -> None:
        self.browser.terminate()
        self.browser.wait(timeout=20)
        stop_service(self.settings)


def free_port() -> int:
    """A port that nobody uses now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[Any]) -> None:
    """Wait until the address answers; fail at once when its process has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the process of {url} ended with {process.returncode}"
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except URLError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def stop_service(settings: Settings) -> None:
    """End the service of a home, if it runs, and wait until it has."""
    if settings.address.exists():
        service = psutil.Process(int(json.loads(settings.address.read_text())["pid"]))
        service.terminate()
        service.wait(timeout=40)
