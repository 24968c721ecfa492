"""Commands that start a server where one runs already, or starts at the same moment, share it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

BARE = {name: value for name, value in os.environ.items() if not name.startswith("LAKEFS_")}


@pytest.fixture
def spawn() -> Iterator[Any]:
    """Start a command without waiting for it; what still runs at the end of the test is ended."""
    with ExitStack() as stack:

        def begin(home: Path, *more: str, port: int = 0) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "infra.lakefs", "--home", str(home), "--port", str(port), *more]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, env=BARE, text=True, **pipes))
            stack.callback(process.terminate)
            return process

        yield begin


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_eight_commands_at_once_share_one_server(tmp_path: Path, spawn: Any) -> None:
    processes = [spawn(tmp_path / "home") for _ in range(8)]
    lines = [process.stdout.readline() for process in processes]
    assert len(set(lines)) == 1
    ready = json.loads(lines[0])
    serving = [process for process in processes if process.pid == ready["pid"]]
    assert len(serving) == 1
    for process in processes:
        if process not in serving:
            assert ended(process) == (0, "", "")
    keys = json.loads((tmp_path / "home" / "credentials.json").read_text())
    pair = keys["access_key_id"], keys["secret_access_key"]
    assert httpx.get(ready["url"] + "/repositories", auth=pair).status_code == 200
    assert serving[0].poll() is None


def test_the_same_port_is_the_same_server_and_another_is_refused(tmp_path: Path, spawn: Any) -> None:
    ready = json.loads(spawn(tmp_path).stdout.readline())
    port = httpx.URL(ready["url"]).port
    assert port is not None
    status, out, err = ended(spawn(tmp_path, port=port))
    assert (status, json.loads(out), err) == (0, ready, "")
    status, out, err = ended(spawn(tmp_path, port=port + 1 if port < 65535 else port - 1))
    assert (status, out) == (2, "")
    assert f"process {ready['pid']}, {ready['url']}" in err
    assert f"ask for port {port} or 0" in err


def test_given_keys_must_be_the_running_servers(tmp_path: Path, spawn: Any) -> None:
    keys = ("--access-key", "k", "--secret-key", "right-secret")
    ready = json.loads(spawn(tmp_path, *keys).stdout.readline())
    status, out, err = ended(spawn(tmp_path, *keys))
    assert (status, json.loads(out), err) == (0, ready, "")
    for other in ((), ("--access-key", "k", "--secret-key", "wrong-secret")):
        status, out, err = ended(spawn(tmp_path, *other))
        assert (status, out) == (2, "")
        assert "give the keys that it was started with" in err
        assert "secret" not in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "credentials.json").exists()


def test_no_more_is_shared_than_the_running_server_offers(tmp_path: Path, spawn: Any) -> None:
    home, one, two = tmp_path / "home", tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    ready = json.loads(spawn(home, "--allow-import", str(one)).stdout.readline())
    for less in ((), ("--allow-import", str(one))):
        assert json.loads(ended(spawn(home, *less))[1]) == ready
    for more in (
        ("--allow-import", str(two)),
        ("--presign",),
        ("--allow-import", str(one), "--allow-import", str(two)),
    ):
        status, out, err = ended(spawn(home, *more))
        assert (status, out) == (2, "")
        assert "it was started without --" in err


def test_keys_in_the_home_that_the_running_server_was_not_started_with_are_refused(tmp_path: Path, spawn: Any) -> None:
    first = spawn(tmp_path)
    assert first.stdout.readline()
    first.terminate()
    assert first.wait(20) == 0
    assert spawn(tmp_path, "--access-key", "k", "--secret-key", "s").stdout.readline()
    status, _, err = ended(spawn(tmp_path))
    assert status == 2
    assert "does not accept these" in err


def test_what_a_dead_server_left_behind_is_not_shared(tmp_path: Path, spawn: Any) -> None:
    """Somebody else listens on the dead server's port by now."""
    first = spawn(tmp_path)
    port = httpx.URL(json.loads(first.stdout.readline())["url"]).port
    first.kill()
    first.wait(20)
    assert (tmp_path / "server.json").exists()
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as stranger:
        stranger.settimeout(0)
        ready = json.loads(spawn(tmp_path).stdout.readline())
        assert httpx.URL(ready["url"]).port != port
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_a_first_that_dies_before_it_is_ready_is_succeeded(tmp_path: Path, spawn: Any) -> None:
    first = spawn(tmp_path)
    assert first.stdout.readline()
    announced = (tmp_path / "server.json").read_bytes()
    (tmp_path / "server.json").unlink()  # as if it had not come that far
    psutil.Process(first.pid).suspend()
    second = spawn(tmp_path)
    time.sleep(2)  # so that it waits by now; were it slower, it would find a free home
    first.send_signal(signal.SIGKILL)
    ready = json.loads(second.stdout.readline())
    assert ready["pid"] == second.pid
    assert json.loads(announced)["pid"] == first.pid


def test_a_supervised_server_is_its_supervisors_own(tmp_path: Path, spawn: Any) -> None:
    """It never shares; it waits for the home, which its predecessor may be about to leave."""
    first = spawn(tmp_path, "--until-stdin-ends")
    ready = json.loads(first.stdout.readline())
    second = spawn(tmp_path, "--until-stdin-ends")
    first.stdin.close()
    assert first.wait(20) == 0
    assert json.loads(second.stdout.readline())["pid"] == second.pid != ready["pid"]
