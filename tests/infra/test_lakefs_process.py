"""Starting, stopping, refusing to start; what survives kill -9 and a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest


def launch(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.lakefs", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False
    )


def test_says_where_it_is_and_ends_with_status_0(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path / "home")
    assert server.ready == {"url": server.url, "pid": server.process.pid, "home": str(tmp_path / "home")}
    assert server.url.startswith("http://127.0.0.1:")
    assert server.http.get("/healthcheck").status_code == 204
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    assert server.process.stdout.read() == b""
    assert not (tmp_path / "home" / "server.json").exists()


def test_data_outlives_the_process(tmp_path: Path, start: Any) -> None:
    first = start(tmp_path / "home")
    repository = first.repository()
    first.put(repository, "staged", b"1")
    first.process.terminate()
    assert first.process.wait(20) == 0
    assert start(tmp_path / "home").get(repository, "staged").content == b"1"


def test_a_home_has_one_server(tmp_path: Path, start: Any) -> None:
    first = start(tmp_path / "home")
    second = launch("--home", str(tmp_path / "home"), "--port", "0")
    assert second.returncode == 2
    assert second.stdout == ""
    assert f"process {first.process.pid}, {first.url}" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert "Traceback" not in second.stderr


def test_a_port_in_use_is_one_clear_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = launch("--home", str(tmp_path / "home"), "--port", str(port))
    assert refused.returncode == 2
    assert f"port {port}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"), [('{"layout": 99}', "has layout 99"), ("{}", "is unreadable"), ("", "is unreadable")]
)
def test_a_home_of_another_layout_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "lakefs.json").write_text(content)
    refused = launch("--home", str(tmp_path), "--port", "0")
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "refs.sqlite").exists()


def test_a_store_without_its_marker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "refs.sqlite").write_bytes(b"")
    refused = launch("--home", str(tmp_path), "--port", "0")
    assert refused.returncode == 2
    assert "without lakefs.json" in refused.stderr


def test_a_store_whose_database_is_gone_or_broken_is_refused(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path)
    server.put(server.repository(), "a", b"1")
    server.process.terminate()
    assert server.process.wait(20) == 0
    (tmp_path / "refs.sqlite").write_bytes(b"not a database" * 100)
    refused = launch("--home", str(tmp_path), "--port", "0")
    assert (refused.returncode, "cannot be opened" in refused.stderr) == (2, True)
    (tmp_path / "refs.sqlite").unlink()
    refused = launch("--home", str(tmp_path), "--port", "0")
    assert (refused.returncode, "holds objects but no refs.sqlite" in refused.stderr) == (2, True)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("x")
    refused = launch("--home", str(tmp_path / "home"), "--port", "0")
    assert refused.returncode == 2
    assert "cannot be used as a home" in refused.stderr


def test_one_key_without_the_other_is_refused(tmp_path: Path) -> None:
    refused = launch("--home", str(tmp_path / "home"), "--port", "0", "--access-key", "k")
    assert refused.returncode == 2
    assert "belong together" in refused.stderr


def test_generated_keys_are_kept_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFS_")}
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(tmp_path), "--port", "0"]
    seen = set()
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            path = tmp_path / "credentials.json"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            keys = json.loads(path.read_text())
            pair = keys["access_key_id"], keys["secret_access_key"]
            assert httpx.get(url + "/config", auth=pair).status_code == 200
            assert httpx.get(url + "/config", auth=("key", "secret")).status_code == 401
            seen.add(pair)
            process.terminate()
            assert process.wait(20) == 0
    assert len(seen) == 1


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path / "home")
    repository = server.repository()
    assert server.put(repository, "before", b"kept").status_code == 201
    server.commit(repository)
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    large = os.urandom(3 << 20)
    for attempt in (large, large[:100_000], b"small"):
        refused = server.put(repository, "during", attempt)
        assert refused.status_code == 507
        assert "nothing was changed" in refused.json()["message"]
        assert refused.headers["x-error-kind"] == "storage-full"
    assert server.get(repository, "before").content == b"kept"
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    assert server.get(repository, "during").status_code == 404
    assert list((tmp_path / "home" / "temp").iterdir()) == []
    assert server.put(repository, "after", large).status_code == 201
    assert server.commit(repository).status_code == 201
    assert server.get(repository, "after", "main@").content == large


def test_large_objects_need_no_memory(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path / "home")
    repository = server.repository()
    server.put(repository, "small", b"1")
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    content = os.urandom(1 << 20) * 64
    url, query = f"{repository}/branches/main/objects", {"path": "large"}
    assert server.http.post(url, params=query, content=content).status_code == 201
    assert server.http.post(url, params=query, files={"content": content}).status_code == 201
    assert server.get(repository, "large").content == content
    assert process.memory_info().rss - before < 32 << 20


def test_kill_9_keeps_every_answered_write(tmp_path: Path, start: Any) -> None:
    """Four clients upload and commit until the server is killed; whatever was answered is there afterwards."""
    server = start(tmp_path / "home")
    repository = server.repository()
    uploaded: dict[str, str] = {}
    committed: list[str] = []
    for round_ in range(3):
        stop = threading.Event()

        def work(client: int, server: Any = server, round_: int = round_, stop: threading.Event = stop) -> None:
            number = 0
            while not stop.is_set():
                path, content = f"{round_}/{client}/{number}", os.urandom(2000)
                try:
                    if server.put(repository, path, content).status_code == 201:
                        uploaded[path] = hashlib.md5(content).hexdigest()
                    if number % 5 == client and (made := server.commit(repository)).status_code == 201:
                        committed.append(made.json()["id"])
                except httpx.HTTPError:
                    return
                number += 1

        workers = [threading.Thread(target=work, args=(client,)) for client in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(0.4 + 0.13 * round_)
        server.process.kill()
        stop.set()
        for worker in workers:
            worker.join()
        server.http.close()
        server = start(tmp_path / "home")
        found: dict[str, str] = {}
        after = ""
        while True:
            listed = server.http.get(
                f"{repository}/refs/main/objects/ls", params={"amount": 1000, "after": after}
            ).json()
            found.update({item["path"]: item["checksum"] for item in listed["results"]})
            after = listed["pagination"]["next_offset"]
            if not listed["pagination"]["has_more"]:
                break
        assert uploaded.items() <= found.items()
        log = server.http.get(f"{repository}/refs/main/commits", params={"amount": 1000}).json()["results"]
        assert set(committed) <= {item["id"] for item in log}
        assert [item["generation"] for item in log] == list(range(len(log), 0, -1))
    assert committed
    for path in list(uploaded)[:: max(1, len(uploaded) // 20)]:
        assert hashlib.md5(server.get(repository, path).content).hexdigest() == uploaded[path]


def test_many_writers_of_one_branch_lose_nothing(server: Any) -> None:
    repository = server.repository()
    statuses: list[tuple[int, str]] = []

    def work(client: int) -> None:
        for number in range(6):
            put = server.put(repository, f"{client}/{number}", f"{client}-{number}")
            made = server.commit(repository, message=f"{client}-{number}")
            statuses.append((put.status_code, made.text if made.status_code not in (201, 400) else ""))

    workers = [threading.Thread(target=work, args=(client,)) for client in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(statuses) == {(201, "")}
    assert server.http.get(f"{repository}/branches/main/diff").json()["results"] == []
    listed = server.http.get(f"{repository}/refs/main@/objects/ls", params={"amount": 1000}).json()["results"]
    assert [item["path"] for item in listed] == sorted(f"{c}/{n}" for c in range(16) for n in range(6))


def test_writers_of_many_branches_merge_into_one(server: Any) -> None:
    repository = server.repository()
    statuses: set[int] = set()

    def work(client: int) -> None:
        branch = f"w{client}"
        server.http.post(f"{repository}/branches", json={"name": branch, "source": "main"})
        server.put(repository, f"file-{client}", str(client), branch)
        server.commit(repository, branch)
        statuses.add(server.http.post(f"{repository}/refs/{branch}/merge/main", json={}).status_code)

    workers = [threading.Thread(target=work, args=(client,)) for client in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert statuses == {200}
    listed = server.http.get(f"{repository}/refs/main@/objects/ls").json()["results"]
    assert {item["path"] for item in listed} == {f"file-{client}" for client in range(12)}
