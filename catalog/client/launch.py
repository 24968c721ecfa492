"""Find the service of a home, or start it: one per home, whoever asks first."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx

from catalog.errors import Conflict, Unavailable, from_kind
from catalog.settings import Settings

PATIENCE = 60.0
STEP = 0.05
AGAIN = 0.5
_started: list[subprocess.Popen[bytes]] = []  # kept, so that a service that outlives us is no leak


def find(settings: Settings) -> str | None:
    """The address of the running service, or None."""
    try:
        url = str(json.loads(settings.address.read_text())["url"])
        answer = httpx.get(f"{url}/api/v1/health", timeout=5, trust_env=False)
        return url if answer.status_code == 200 and answer.json()["service"] == "assay" else None
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None


def ensure(settings: Settings) -> str:
    """The address of the service; started when it does not run. It ends by itself when idle."""
    url = settings.url or find(settings)
    if url is not None:
        return url
    if not settings.database.exists() and not (settings.home / "bootstrap.json").exists():
        raise Unavailable("home-not-initialised", f"no catalog in {settings.home}", do="run `assay init`")
    log = settings.home / "service.log"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        start = log.stat().st_size if log.exists() else 0
        process = _start(settings.home, log)
        while time.monotonic() < deadline:
            url = find(settings)
            if url is not None:
                _end_the_loser(settings, process)
                return url
            if process.poll() is not None:
                break
            time.sleep(STEP)
        if process.returncode not in (None, 0, Conflict.exit_code):
            _explain(log, start)
        time.sleep(AGAIN)  # another service has the home: it will answer soon, or is ending and gives it free
    raise Unavailable("service-unreachable", "the service does not answer", where=str(log), do="read that log")


def _start(home: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "catalog.cli.main", "serve", "--home", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    _started.append(process)
    return process


def _end_the_loser(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Where another client's service answers, ours must not wait for the home to be free and become a second one."""
    try:
        answering = int(json.loads(settings.address.read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return
    if answering != process.pid:
        process.terminate()


def _explain(log: Path, start: int) -> None:
    """Raise what the service said before it ended."""
    with log.open("rb") as said:
        said.seek(start)
        lines = said.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    try:
        problem = json.loads(last)
        error = from_kind(problem["kind"], problem["title"], where=problem["where"], do=problem["do"])
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            "service-unreachable", f"the service ended: {last or 'no word'}", where=str(log), do="read that log"
        ) from None
    raise error
