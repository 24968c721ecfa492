"""Hooks over HTTP: what each event is told, what a refusal leaves as it was, and whom a slow hook keeps waiting."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import lakefs_sdk
import pytest

from infra.lakefs.store.follow import THREADS
from tests.support.listener import Heard, Listener, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


FULL_STDERR = """
import os, runpy
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
runpy.run_module("infra.lakefs", run_name="__main__")
"""


@pytest.fixture
def repository(server: Any) -> str:
    return str(server.repository())


def action(*events: str, url: str, branches: str = "", more: str = "", name: str = "") -> str:
    """An action file of one webhook; `more` are further properties, indented by six."""
    on = "".join(f"  {event}:\n" + (f"    branches: [{branches}]\n" if branches else "") for event in events)
    named = f"name: {name}\n" if name else ""
    return f"{named}on:\n{on}hooks:\n  - id: gate\n    type: webhook\n    properties:\n      url: {url}\n{more}"


def install(server: Any, repository: str, text: str, file: str = "gate.yaml", branch: str = "main") -> None:
    assert server.put(repository, f"_lakefs_actions/{file}", text, branch).status_code == 201
    assert server.commit(repository, branch).status_code == 201


def runs(server: Any, repository: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.http.get(f"{repository}/actions/runs", params=query).json()["results"]
    return found


def settled(server: Any, repository: str, count: int) -> list[dict[str, Any]]:
    """The runs once there are so many; those of post-events come by themselves."""
    deadline = time.monotonic() + 30
    while len(found := runs(server, repository)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def outputs(server: Any, repository: str, run: str) -> list[tuple[str, str, str]]:
    """Hook, status and output of each hook run."""
    hooks = server.http.get(f"{repository}/actions/runs/{run}/hooks").json()["results"]
    where = f"{repository}/actions/runs/{run}/hooks"
    return [(h["hook_id"], h["status"], server.http.get(f"{where}/{h['hook_run_id']}/output").text) for h in hooks]


ALL = [
    f"{when}-{act}"
    for act in (
        "commit",
        "merge",
        "revert",
        "cherry-pick",
        "create-branch",
        "delete-branch",
        "create-tag",
        "delete-tag",
    )
    for when in ("pre", "post")
]


def test_every_event_is_told_what_lakefs_documents(server: Any, repository: str, listener: Listener) -> None:
    name = repository.rsplit("/", 1)[1]
    for event in ("prepare-commit", *ALL):
        url = f"{listener.url}/{event}"
        server.put(repository, f"_lakefs_actions/{event}.yaml", action(event, url=url, name=f"on {event}"))
    first = server.http.post(
        f"{repository}/branches/main/commits", json={"message": "one", "metadata": {"k": "v"}}
    ).json()["id"]
    http = server.http
    assert http.post(f"{repository}/branches", json={"name": "side", "source": "main"}).status_code == 201
    server.put(repository, "a", b"1", "side")
    side = server.commit(repository, "side", "two").json()["id"]
    merged = http.post(f"{repository}/refs/side/merge/main", json={"message": "join"}).json()["reference"]
    assert http.post(f"{repository}/branches/main/revert", json={"ref": merged, "parent_number": 1}).status_code == 204
    reverted = http.get(f"{repository}/branches/main").json()["commit_id"]
    picked = http.post(f"{repository}/branches/main/cherry-pick", json={"ref": side}).json()["id"]
    assert http.post(f"{repository}/tags", json={"id": "v1", "ref": "main"}).status_code == 201
    assert http.delete(f"{repository}/tags/v1").status_code == 204
    assert http.delete(f"{repository}/branches/side").status_code == 204

    def told(event: str, at: int = 0) -> dict[str, Any]:
        found = listener.wait(f"/{event}", at + 1)[at]
        assert found.pop("event_type") == event
        assert found.pop("action_name") == f"on {event}"
        assert found.pop("hook_id") == "gate"
        assert found.pop("repository_id") == name
        assert found.pop("event_time").endswith("Z")
        return found

    one = {"branch_id": "main", "commit_message": "one", "committer": "quickstart", "commit_metadata": {"k": "v"}}
    assert told("prepare-commit") == {**one, "source_ref": "main"}
    assert told("pre-commit") == {**one, "source_ref": "main"}
    assert told("post-commit") == {**one, "source_ref": first, "commit_id": first}
    join = {
        "branch_id": "main",
        "commit_id": merged,
        "commit_message": "join",
        "committer": "quickstart",
        "commit_metadata": {".lakefs.merge.strategy": "default"},
        "merge_source": "side",
    }
    assert told("pre-merge") == {**join, "source_ref": side}
    assert told("post-merge") == {**join, "source_ref": merged}
    undo = {"branch_id": "main", "commit_message": f"Revert {merged}", "committer": "quickstart"}
    assert told("pre-revert") == {**undo, "source_ref": merged, "commit_id": reverted}
    assert told("post-revert") == {**undo, "source_ref": reverted, "commit_id": reverted}
    again = {
        "branch_id": "main",
        "commit_id": picked,
        "commit_message": "two",
        "committer": "quickstart",
        "commit_metadata": {"cherry-pick-origin": side, "cherry-pick-committer": "quickstart"},
    }
    assert told("pre-cherry-pick") == {**again, "source_ref": side}
    assert told("post-cherry-pick") == {**again, "source_ref": picked}
    for when in ("pre", "post"):
        assert told(f"{when}-create-branch") == {"branch_id": "side", "source_ref": first}
        assert told(f"{when}-delete-branch") == {"branch_id": "side", "source_ref": side}
        assert told(f"{when}-create-tag") == {"tag_id": "v1", "source_ref": picked}
        assert told(f"{when}-delete-tag") == {"tag_id": "v1", "source_ref": picked}
    for event, count in {"prepare-commit": 2, "pre-commit": 2, "post-commit": 2, "pre-merge": 1}.items():
        assert len(listener.wait(f"/{event}", count)) == count
    kinds = [run["event_type"] for run in settled(server, repository, 20)]
    assert sorted(kinds) == sorted(["prepare-commit", "pre-commit", "post-commit", "prepare-commit", *ALL])


def state(server: Any, repository: str) -> Any:
    """All that a refused act could have changed."""
    return [
        server.http.get(f"{repository}/branches").json(),
        server.http.get(f"{repository}/tags").json(),
        server.http.get(f"{repository}/branches/main/diff").json(),
        server.http.get(f"{repository}/refs/main/objects/ls").json(),
    ]


ACTS = {
    "commit": ("POST", "/branches/main/commits", {"message": "m"}),
    "merge": ("POST", "/refs/side/merge/clean", {}),
    "revert": ("POST", "/branches/clean/revert", {"ref": "clean", "parent_number": 0}),
    "cherry-pick": ("POST", "/branches/clean/cherry-pick", {"ref": "side"}),
    "create-branch": ("POST", "/branches", {"name": "new", "source": "main"}),
    "delete-branch": ("DELETE", "/branches/side", None),
    "create-tag": ("POST", "/tags", {"id": "new", "ref": "main"}),
    "delete-tag": ("DELETE", "/tags/old", None),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_a_hook_refuses_changes_nothing_and_what_it_allows_happens(
    server: Any, repository: str, listener: Listener, act: str
) -> None:
    install(
        server, repository, action(f"pre-{act}", url=f"{listener.url}/gate", branches="" if "tag" in act else "'*'")
    )
    for name in ("clean", "side"):
        server.http.post(f"{repository}/branches", json={"name": name, "source": "main"})
    for name, path in (("clean", "c"), ("side", "s")):
        server.put(repository, path, b"1", name)
        server.commit(repository, name)
    server.http.post(f"{repository}/tags", json={"id": "old", "ref": "main"})
    server.put(repository, "staged", b"1")
    before, told = state(server, repository), len(listener.of("/gate"))

    method, path, body = ACTS[act]
    listener.answer("/gate", 403)
    refused = server.http.request(method, repository + path, json=body)
    assert refused.status_code == 412, refused.text
    assert refused.headers["x-error-kind"] == "precondition"
    run = runs(server, repository)[0]
    assert (run["event_type"], run["status"]) == (f"pre-{act}", "failed")
    assert f"pre-{act} hook aborted" in refused.json()["message"]
    assert run["run_id"] in refused.json()["message"]
    assert "answered 403" in refused.json()["message"]
    assert state(server, repository) == before
    assert len(listener.of("/gate")) == told + 1

    listener.answer("/gate", 204)
    assert server.http.request(method, repository + path, json=body).status_code < 300
    assert state(server, repository) != before
    assert runs(server, repository)[0]["status"] == "completed"


@pytest.mark.parametrize("act", ACTS)
def test_what_follows_changes_nothing_about_the_outcome(
    server: Any, repository: str, listener: Listener, act: str
) -> None:
    listener.answer("/after", 500)
    for name in ("clean", "side"):
        server.http.post(f"{repository}/branches", json={"name": name, "source": "main"})
        install(server, repository, action(f"post-{act}", url=f"{listener.url}/after"), f"{name}.yaml", name)
    server.put(repository, "c", b"1", "clean")
    server.commit(repository, "clean")
    server.http.post(f"{repository}/tags", json={"id": "old", "ref": "clean"})
    server.put(repository, "_lakefs_actions/main.yaml", action(f"post-{act}", url=f"{listener.url}/after"))
    if act != "commit":
        server.commit(repository)
    told = len(listener.of("/after"))
    method, path, body = ACTS[act]
    assert server.http.request(method, repository + path, json=body).status_code < 300
    assert listener.wait("/after", told + 1)[told]["event_type"] == f"post-{act}"
    assert {(run["event_type"], run["status"]) for run in settled(server, repository, told + 1)} == {
        (f"post-{act}", "failed")
    }


def test_a_merge_is_judged_by_the_files_of_its_source(server: Any, repository: str, listener: Listener) -> None:
    """A known hole of lakeFS: who edits the file on the source changes the gate."""
    install(server, repository, action("pre-merge", url=f"{listener.url}/main"))
    server.http.post(f"{repository}/branches", json={"name": "side", "source": "main"})
    listener.answer("/main", 500)
    install(server, repository, action("pre-merge", url=f"{listener.url}/side"), branch="side")
    assert server.http.post(f"{repository}/refs/side/merge/main", json={}).status_code == 200
    assert (len(listener.of("/main")), len(listener.of("/side"))) == (0, 1)


def test_a_revert_is_judged_by_the_branch_as_it_was(server: Any, repository: str, listener: Listener) -> None:
    install(server, repository, action("pre-revert", url=f"{listener.url}/gate"))
    listener.answer("/gate", 500)
    undo = server.http.post(f"{repository}/branches/main/revert", json={"ref": "main", "parent_number": 0})
    assert undo.status_code == 412  # although the result would hold no such file


def test_an_import_is_a_commit_and_judged_as_one(start: Any, tmp_path: Path, listener: Listener) -> None:
    folder = tmp_path / "import"
    folder.mkdir()
    (folder / "a").write_text("1")
    server = start(tmp_path / "home", "--allow-import", str(folder))
    repository = server.repository()
    install(server, repository, action("pre-commit", "post-commit", url=f"{listener.url}/gate"))
    listener.wait("/gate", 2)
    head = server.http.get(f"{repository}/branches/main").json()

    def imported() -> dict[str, Any]:
        paths = [{"path": f"local://{folder}", "destination": "in/", "type": "common_prefix"}]
        body = {"paths": paths, "commit": {"message": "by reference"}}
        where = f"{repository}/branches/main/import"
        query = {"id": server.http.post(where, json=body).json()["id"]}
        deadline = time.monotonic() + 60
        while not (found := server.http.get(where, params=query).json())["completed"] and "error" not in found:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        status: dict[str, Any] = found
        return status

    listener.answer("/gate", 403)
    assert "pre-commit hook aborted" in imported()["error"]["message"]
    assert server.http.get(f"{repository}/branches/main").json() == head
    listener.answer("/gate", 200)
    made = imported()["commit"]["id"]
    told = listener.wait("/gate", 5)[3:]
    assert [event["event_type"] for event in told] == ["pre-commit", "post-commit"]
    assert {event["commit_message"] for event in told} == {"by reference"}
    assert told[1]["commit_id"] == made

    begun, never = threading.Event(), threading.Event()
    listener.answer("/gate", lambda _: (begun.set(), never.wait(120), 200)[2])
    (folder / "b").write_text("2")
    paths = [{"path": f"local://{folder}", "destination": "in/", "type": "common_prefix"}]
    server.http.post(
        f"{repository}/branches/main/import", json={"paths": paths, "commit": {"message": "never"}}
    ).raise_for_status()
    assert begun.wait(60)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    never.set()


def test_globs_choose_branches(server: Any, repository: str, listener: Listener) -> None:
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate", branches="'w*', 'r[0-9]'"))
    for name in ("w", "work", "r1", "rx", "other"):
        server.http.post(f"{repository}/branches", json={"name": name, "source": "main"})
        server.put(repository, "a", b"1", name)
        assert server.commit(repository, name).status_code == 201
    assert [told["branch_id"] for told in listener.of("/gate")] == ["w", "work", "r1"]


def test_hooks_run_in_order_under_their_conditions(server: Any, repository: str, listener: Listener) -> None:
    hooks = "".join(
        f"  - {{id: {name}, type: webhook, {condition} properties: {{url: '{listener.url}/{name}'}}}}\n"
        for name, condition in (
            ("first", ""),
            ("second", ""),
            ("third", "if: success(),"),
            ("alert", "if: failure(),"),
            ("always", "if: true,"),
        )
    )
    other = f"  - {{id: only, type: webhook, properties: {{url: '{listener.url}/only'}}}}\n"
    server.put(repository, "_lakefs_actions/a.yaml", f"name: many\non: {{pre-commit: }}\nhooks:\n{hooks}")
    server.put(repository, "_lakefs_actions/b.yaml", f"name: one\non: {{pre-commit: }}\nhooks:\n{other}")
    listener.answer("/second", 400)
    refused = server.commit(repository)
    assert refused.status_code == 412
    assert "hook 'second' of action 'many': answered 400" in refused.json()["message"]
    assert [heard.path for heard in listener.heard] == ["/first", "/second", "/alert", "/always", "/only"]
    run = runs(server, repository)[0]["run_id"]
    shown = [(hook, status) for hook, status, _ in outputs(server, repository, run)]
    passed = "completed"
    assert shown == [("first", passed), ("second", "failed"), ("alert", passed), ("always", passed), ("only", passed)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_lakefs_client_parses_runs_and_hook_runs(server: Any, repository: str, listener: Listener) -> None:
    name = repository.rsplit("/", 1)[1]
    hooks = "".join(
        f"  - {{id: {hook}, type: webhook, properties: {{url: '{listener.url}/{hook}'}}}}\n" for hook in ("one", "two")
    )
    server.put(repository, "_lakefs_actions/a.yaml", f"on: {{pre-commit: }}\nhooks:\n{hooks}")
    listener.answer("/one", 400, 200)
    client = lakefs_sdk.ApiClient(lakefs_sdk.Configuration(host=server.url, username="key", password="secret"))
    commits, actions = lakefs_sdk.CommitsApi(client), lakefs_sdk.ActionsApi(client)
    creation = lakefs_sdk.CommitCreation(message="m")
    with pytest.raises(lakefs_sdk.exceptions.ApiException) as refused:
        commits.commit(name, "main", creation)
    assert refused.value.status == 412
    made = commits.commit(name, "main", creation)
    newest, oldest = actions.list_repository_runs(name).results
    assert (newest.status, newest.commit_id, newest.branch, newest.event_type) == (
        "completed",
        made.id,
        "main",
        "pre-commit",
    )
    assert oldest.status == "failed"
    assert newest.start_time <= newest.end_time
    assert actions.get_run(name, newest.run_id) == newest
    assert actions.list_repository_runs(name, commit=made.id).results == [newest]
    shown = [
        [(run.hook_id, run.status, run.action) for run in actions.list_run_hooks(name, r.run_id).results]
        for r in (oldest, newest)
    ]
    assert shown == [
        [("one", "failed", "a.yaml")],  # the second was left out
        [("one", "completed", "a.yaml"), ("two", "completed", "a.yaml")],
    ]
    first = actions.list_run_hooks(name, newest.run_id, amount=1)
    assert first.pagination.has_more
    (second,) = actions.list_run_hooks(name, newest.run_id, after=first.pagination.next_offset).results
    assert second.hook_id == "two"
    assert b"well heard" in actions.get_run_hook_output(name, newest.run_id, second.hook_run_id)


def test_parameters_headers_and_the_output(server: Any, repository: str, listener: Listener) -> None:
    more = "      query_params: {a: [x y, 'z&'], b: '1'}\n      headers: {X-One: eins, content-type: text/json}\n"
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate?q=0", more=more))
    heard = listener.heard[0]
    assert heard.target == "/gate?q=0&a=x+y&a=z%26&b=1"
    assert heard.headers["x-one"] == "eins"
    assert heard.headers["content-type"] == "text/json"
    ((_, _, output),) = outputs(server, repository, runs(server, repository)[0]["run_id"])
    for said in ("POST http://", "X-One: eins", '"event_type":"pre-commit"', "200 OK", "well heard"):
        assert said in output


def test_environment_values_are_given_by_name_and_kept_nowhere(start: Any, tmp_path: Path, listener: Listener) -> None:
    secret = "s3cr3t/+ value"
    server = start(tmp_path / "home", "--allow-env", "GIVEN", "--allow-env", "UNSET", GIVEN=secret, HIDDEN="other")
    repository = server.repository()
    listener.body = f"I heard {secret}".encode()
    more = "      headers: {X-Key: 'Bearer {{ ENV.GIVEN }}'}\n      query_params: {key: '{{ENV.GIVEN}}'}\n"
    install(server, repository, action("pre-commit", "post-commit", url=f"{listener.url}/gate", more=more))
    listener.wait("/gate", 2)
    assert listener.heard[0].headers["x-key"] == f"Bearer {secret}"
    assert listener.heard[0].target == "/gate?key=s3cr3t%2F%2B+value"
    said = [text for run in settled(server, repository, 2) for *_, text in outputs(server, repository, run["run_id"])]
    assert all("{{ ENV.GIVEN }}" in text and "s3cr3t" not in text for text in said)

    for name in ("HIDDEN", "UNSET", "PATH"):
        more = f"      headers: {{X-Key: '{{{{ ENV.{name} }}}}'}}\n"
        server.put(repository, "_lakefs_actions/gate.yaml", action("pre-commit", url=f"{listener.url}/gate", more=more))
        refused = server.commit(repository)
        assert refused.status_code == 412
        assert f"ENV.{name} is not for action files" in refused.json()["message"]
    assert len(listener.heard) == 2
    server.process.terminate()
    server.process.wait(20)
    for file in (tmp_path / "home").glob("refs.sqlite*"):
        assert b"s3cr3t" not in file.read_bytes()


def test_a_hook_that_does_not_answer_in_time_refuses(server: Any, repository: str, listener: Listener) -> None:
    done = threading.Event()
    listener.answer("/gate", lambda _: (done.wait(60), 200)[1])
    server.put(
        repository,
        "_lakefs_actions/gate.yaml",
        action("pre-commit", url=f"{listener.url}/gate", more="      timeout: 200ms\n"),
    )
    refused = server.commit(repository)
    done.set()
    assert refused.status_code == 412
    assert "no answer within 0.2s" in refused.json()["message"]


def test_an_answer_that_drips_or_never_ends_is_cut(server: Any, repository: str) -> None:
    """A listener that sends a byte now and then, for ever, in head and body."""
    stopped = threading.Event()

    def drip(listening: socket.socket, head: bytes) -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                connection.sendall(head)
                while not stopped.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                return

    for head, status in ((b"HTTP/1.1 200 OK\r\nx: ", 412), (b"HTTP/1.1 200 OK\r\n\r\n", 412)):
        with socket.create_server(("127.0.0.1", 0)) as listening_:
            thread = threading.Thread(target=drip, args=(listening_, head))
            thread.start()
            url = f"http://127.0.0.1:{listening_.getsockname()[1]}/"
            server.put(
                repository, "_lakefs_actions/gate.yaml", action("pre-commit", url=url, more="      timeout: 500ms\n")
            )
            assert server.commit(repository).status_code == status
            stopped.set()
            thread.join()
            stopped.clear()


def test_a_long_answer_counts_by_its_status_and_is_kept_in_part(
    server: Any, repository: str, listener: Listener
) -> None:
    listener.body = b"y" * (4 << 20)
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate"))
    ((_, status, output),) = outputs(server, repository, runs(server, repository)[0]["run_id"])
    assert status == "completed"
    assert len(output) < 40_000


def test_a_redirect_is_not_followed(server: Any, repository: str, listener: Listener) -> None:
    listener.location = f"{listener.url}/elsewhere"
    listener.answer("/gate", 307)
    server.put(repository, "_lakefs_actions/gate.yaml", action("pre-commit", url=f"{listener.url}/gate"))
    assert server.commit(repository).status_code == 412
    assert [heard.path for heard in listener.heard] == ["/gate"]


def test_it_is_asked_again_only_where_nothing_was_done(server: Any, repository: str, listener: Listener) -> None:
    listener.answer("/busy", 503, 429, 200)
    listener.answer("/never", 503)
    for path, status, calls in (("/busy", 201, 3), ("/never", 412, 3), ("/broken", 412, 1)):
        listener.answer("/broken", 500)
        server.put(repository, "_lakefs_actions/gate.yaml", action("pre-commit", url=listener.url + path))
        assert server.commit(repository).status_code == status
        assert len(listener.of(path)) == calls


def test_a_listener_that_starts_late_is_reached(server: Any, repository: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    server.put(repository, "_lakefs_actions/gate.yaml", action("pre-commit", url=f"http://127.0.0.1:{port}/gate"))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.commit, repository)
        time.sleep(0.1)
        with listening(port) as listener:
            assert waiting.result().status_code == 201
            assert len(listener.of("/gate")) == 1
    server.put(repository, "a", b"1")
    refused = server.commit(repository)  # it is gone again
    assert refused.status_code == 412
    assert "cannot be reached (connection refused), 3 attempts" in refused.json()["message"]


@pytest.mark.parametrize("kind", ["lua", "airflow"])
def test_types_that_are_not_offered_fail_closed(server: Any, repository: str, kind: str) -> None:
    text = f"on: {{pre-commit: }}\nhooks: [{{id: x, type: {kind}, properties: {{script: 'print(1)'}}}}]\n"
    server.put(repository, "_lakefs_actions/x.yaml", text)
    refused = server.commit(repository)
    assert refused.status_code == 412
    assert f"hooks of type {kind} are not offered" in refused.json()["message"]
    ((_, status, output),) = outputs(server, repository, runs(server, repository)[0]["run_id"])
    assert status == "failed"
    assert "not offered" in output


def test_an_invalid_action_file_refuses_until_it_is_mended(server: Any, repository: str, listener: Listener) -> None:
    server.put(repository, "_lakefs_actions/broken.yaml", "on: {pre-comit: }\nhooks: []\n")
    server.put(repository, "_lakefs_actions/fine.yaml", action("pre-commit", url=f"{listener.url}/gate"))
    refused = server.commit(repository)
    assert refused.status_code == 412
    assert "action file '_lakefs_actions/broken.yaml': on: event 'pre-comit' is unknown" in refused.json()["message"]
    assert listener.heard == []
    (run,) = runs(server, repository)
    assert (run["event_type"], run["status"]) == ("pre-commit", "failed")
    assert server.http.delete(f"{repository}/branches/main/objects", params={"path": "_lakefs_actions/broken.yaml"})
    assert server.commit(repository).status_code == 201


def test_a_hook_may_ask_the_server_while_many_wait_for_it(server: Any, repository: str, listener: Listener) -> None:
    """More commits than the server has threads for other requests wait, and the hook still reads what it judges."""
    more = "      timeout: 5m\n"
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate", branches="'b*'", more=more))
    count = 80
    names = [f"b{number}" for number in range(count)]
    for name in names:
        server.http.post(f"{repository}/branches", json={"name": name, "source": "main"})
        server.put(repository, "a", name, name)
    everybody = threading.Barrier(count)

    def ask(method: str, path: str, **arguments: Any) -> httpx.Response:
        """On a connection of its own: a client shared by so many closes what another thread still uses."""
        with httpx.Client(base_url=server.url, auth=("key", "secret"), timeout=240, verify=False) as own:
            return own.request(method, repository + path, **arguments)

    def read_back(heard: Heard) -> int:
        everybody.wait(240)
        found = ask("GET", f"/refs/{heard.json['source_ref']}/objects", params={"path": "a"})
        return 200 if found.text == heard.json["branch_id"] else 400

    listener.answer("/gate", read_back)
    with ThreadPoolExecutor(count) as pool:
        made = pool.map(lambda name: ask("POST", f"/branches/{name}/commits", json={"message": "m"}), names)
        assert {answer.status_code for answer in made} == {201}


def test_others_go_on_while_a_hook_is_slow(server: Any, repository: str, listener: Listener) -> None:
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate", branches="slow"))
    for name in ("slow", "quick"):
        server.http.post(f"{repository}/branches", json={"name": name, "source": "main"})
        server.put(repository, "a", b"1", name)
    go_on, begun = threading.Event(), threading.Event()

    def slow(_: Heard) -> int:
        begun.set()
        return 200 if go_on.wait(60) else 500

    listener.answer("/gate", slow)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.commit, repository, "slow")
        assert begun.wait(60)
        for number in range(20):
            assert server.put(repository, f"b{number}", b"1", "quick").status_code == 201
        assert server.commit(repository, "quick").status_code == 201
        assert server.http.post(f"{repository}/refs/quick/merge/main", json={}).status_code == 200
        assert not waiting.done()
        go_on.set()
        assert waiting.result().status_code == 201


def test_what_was_judged_is_what_goes_in(server: Any, repository: str, listener: Listener) -> None:
    """Whatever changes on the branch while its hook runs has it judged again."""
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate"))
    server.put(repository, "bad", b"1")
    server.put(repository, "keep", b"1")
    seen: list[list[str]] = []

    def look(then: Any) -> Any:
        def reply(heard: Heard) -> int:
            then()
            listed = server.http.get(f"{repository}/refs/{heard.json['source_ref']}/objects/ls").json()["results"]
            seen.append([item["path"] for item in listed])
            return 200

        return reply

    forget = {"type": "object", "path": "bad"}
    listener.answer(
        "/gate",
        look(lambda: server.http.put(f"{repository}/branches/main", json=forget)),
        look(lambda: server.put(repository, "late", b"1")),
        look(lambda: None),
    )
    assert server.commit(repository).status_code == 201
    listed = server.http.get(f"{repository}/refs/main@/objects/ls").json()["results"]
    assert [item["path"] for item in listed] == ["_lakefs_actions/gate.yaml", "keep", "late"] == seen[-1]
    assert len(seen) == 3

    server.put(repository, "next", b"0")
    listener.answer("/gate", look(lambda: server.put(repository, "next", str(len(seen)))))
    head = server.http.get(f"{repository}/branches/main").json()
    assert server.commit(repository).status_code == 503  # it never stands still
    assert server.http.get(f"{repository}/branches/main").json() == head


def test_a_tag_and_a_branch_name_what_their_hooks_judged(server: Any, repository: str, listener: Listener) -> None:
    install(server, repository, action("pre-create-tag", "pre-create-branch", url=f"{listener.url}/gate"))

    def move(_: Heard) -> int:
        server.put(repository, "a", str(len(listener.heard)))
        return 200 if server.commit(repository).status_code == 201 else 500

    listener.answer("/gate", move)
    tag = server.http.post(f"{repository}/tags", json={"id": "v1", "ref": "main"}).json()["commit_id"]
    branch = server.http.post(f"{repository}/branches", json={"name": "side", "source": "main"}).text
    assert [told["source_ref"] for told in listener.of("/gate")] == [tag, branch]
    assert len({tag, branch, server.http.get(f"{repository}/branches/main").json()["commit_id"]}) == 3


def test_a_branch_that_moved_is_judged_again_before_it_goes(server: Any, repository: str, listener: Listener) -> None:
    install(server, repository, action("pre-delete-branch", url=f"{listener.url}/gate"))
    server.http.post(f"{repository}/branches", json={"name": "side", "source": "main"})

    def move(_: Heard) -> int:
        server.put(repository, "a", str(len(listener.heard)), "side")
        return 200 if server.commit(repository, "side").status_code == 201 else 500

    listener.answer("/gate", move)
    assert server.http.delete(f"{repository}/branches/side").status_code == 503  # it never stands still
    head = server.http.get(f"{repository}/branches/side").json()["commit_id"]
    listener.answer("/gate", 200)
    assert server.http.delete(f"{repository}/branches/side").status_code == 204
    judged = [told["source_ref"] for told in listener.of("/gate")]
    assert len(set(judged)) == 4
    assert judged[-1] == head


def test_branches_and_tags_are_made_of_a_branch_that_never_stands_still(server: Any, repository: str) -> None:
    stopped = threading.Event()

    def commit_on() -> None:
        while not stopped.is_set():
            server.http.post(f"{repository}/branches/main/commits", json={"message": "m", "allow_empty": True})

    with ThreadPoolExecutor() as pool:
        busy = [pool.submit(commit_on) for _ in range(3)]
        try:
            for number in range(15):
                body = {"name": f"b{number}", "source": "main"}
                assert server.http.post(f"{repository}/branches", json=body).status_code == 201
                assert (
                    server.http.post(f"{repository}/tags", json={"id": f"v{number}", "ref": "main"}).status_code == 201
                )
        finally:
            stopped.set()
        for future in busy:
            future.result()


def test_committers_of_a_judged_branch_lose_nothing(server: Any, repository: str, listener: Listener) -> None:
    install(server, repository, action("pre-commit", url=f"{listener.url}/gate"))
    server.put(repository, "seed", b"1")
    listener.answer("/gate", lambda _: (time.sleep(0.01), 200)[1])

    def work(number: int) -> int:
        body = {"message": str(number), "allow_empty": True}
        return int(server.http.post(f"{repository}/branches/main/commits", json=body).status_code)

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(work, range(24))) == {201}
    log = server.http.get(f"{repository}/refs/main/commits").json()["results"]
    assert {commit["message"] for commit in log} >= {str(number) for number in range(24)}


def test_prepared_changes_are_part_of_the_commit(server: Any, repository: str, listener: Listener) -> None:
    def add(heard: Heard) -> int:
        return 200 if server.put(repository, "added", b"1", heard.json["branch_id"]).status_code == 201 else 500

    listener.answer("/prepare", add)
    install(server, repository, action("prepare-commit", url=f"{listener.url}/prepare"))
    assert server.get(repository, "added", "main@").content == b"1"
    listener.answer("/prepare", 500)
    server.put(repository, "a", b"1")
    assert server.commit(repository).status_code == 412


def test_runs_are_listed_by_pages(server: Any, repository: str, listener: Listener) -> None:
    server.http.post(f"{repository}/branches", json={"name": "side", "source": "main"})
    for branch in ("main", "side"):
        install(server, repository, action("pre-commit", url=f"{listener.url}/gate"), branch=branch)
    for number in range(3):
        server.put(repository, "a", str(number))
        assert server.commit(repository).status_code == 201

    def paged(**query: Any) -> list[str]:
        found, after = [], ""
        while True:
            page = server.http.get(f"{repository}/actions/runs", params={"amount": 2, "after": after, **query}).json()
            found += [run["run_id"] for run in page["results"]]
            after = page["pagination"]["next_offset"]
            if not page["pagination"]["has_more"]:
                return found

    every = [run["run_id"] for run in runs(server, repository)]
    assert paged() == every == sorted(every, reverse=True)
    assert len(every) == 5
    assert paged(branch="main") == sorted(run["run_id"] for run in runs(server, repository) if run["branch"] == "main")
    assert len(paged(branch="side")) == 1
    head = server.http.get(f"{repository}/branches/main").json()["commit_id"]
    assert paged(commit=head) == [every[0]]
    assert paged(branch="side", commit=head) == []
    run = every[0]
    hook = server.http.get(f"{repository}/actions/runs/{run}/hooks").json()["results"][0]["hook_run_id"]
    for missing in (
        "runs/0",
        "runs/ffffffffffffffff",
        f"runs/{int(run, 16) + 1000:016x}",
        f"runs/{run}/hooks/0/output",
        f"runs/nothing/hooks/{hook}/output",
        "runs/nothing/hooks",
    ):
        assert server.http.get(f"{repository}/actions/{missing}").status_code == 404, missing
    other = server.repository()
    assert server.http.get(f"{other}/actions/runs/{run}").status_code == 404
    assert server.http.get("/repositories/none-such/actions/runs").status_code == 404


def test_runs_outlive_the_server_and_what_follows_is_told_after_a_kill(
    start: Any, tmp_path: Path, listener: Listener
) -> None:
    first = start(tmp_path / "home")
    repository = first.repository()
    install(first, repository, action("pre-commit", url=f"{listener.url}/before"))
    begun, never = threading.Event(), threading.Event()

    def hang(_: Heard) -> int:
        begun.set()
        never.wait(60)
        return 200

    listener.answer("/after", hang, 200)
    install(first, repository, action("post-commit", url=f"{listener.url}/after"), "after.yaml")
    assert begun.wait(60)
    first.kill()
    never.set()
    second = start(tmp_path / "home")
    told = listener.wait("/after", 2)
    assert told[0] == told[1]
    found = settled(second, repository, 3)
    assert [run["event_type"] for run in found] == ["post-commit", "pre-commit", "pre-commit"]
    assert found[0]["commit_id"] == told[0]["commit_id"]
    second.process.terminate()
    assert second.process.wait(20) == 0
    rows = sqlite3.connect(tmp_path / "home" / "refs.sqlite")
    assert rows.execute("SELECT count(*) FROM events").fetchone() == (0,)
    rows.close()


def test_followers_outlive_what_they_can_neither_record_nor_log(start: Any, tmp_path: Path, listener: Listener) -> None:
    """More events than there are followers fail while stderr is full; the next one is told as ever."""
    server = start(tmp_path / "home", program=("-c", FULL_STDERR))
    repository = server.repository()
    install(server, repository, action("post-commit", url=f"{listener.url}/after"))
    settled(server, repository, 1)
    with closing(sqlite3.connect(tmp_path / "home" / "refs.sqlite", isolation_level=None)) as rows:
        rows.execute("CREATE TRIGGER refused BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'refused'); END")
        for number in range(2 * THREADS):
            server.put(repository, "a", f"{number}")
            assert server.commit(repository).status_code == 201
            listener.wait("/after", number + 2)
        rows.execute("DROP TRIGGER refused")
    server.put(repository, "a", b"told")
    last = server.commit(repository).json()["id"]
    deadline = time.monotonic() + 30
    while last not in [run["commit_id"] for run in runs(server, repository)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_server_ends_although_hooks_are_under_way(start: Any, tmp_path: Path, listener: Listener) -> None:
    server = start(tmp_path / "home")
    repository = server.repository()
    never, begun = threading.Event(), threading.Semaphore(0)

    def hang(_: Heard) -> int:
        begun.release()
        never.wait(120)
        return 200

    install(server, repository, action("post-commit", url=f"{listener.url}/after", branches="side"), "after.yaml")
    server.http.post(f"{repository}/branches", json={"name": "side", "source": "main"})
    server.put(repository, "a", b"1", "side")
    listener.answer("/after", hang)
    listener.answer("/gate", hang)
    assert server.commit(repository, "side").status_code == 201
    server.put(repository, "_lakefs_actions/gate.yaml", action("pre-commit", url=f"{listener.url}/gate"))
    head = server.http.get(f"{repository}/branches/main").json()["commit_id"]
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(_status_of_commit, server, repository) for _ in range(3)]
        assert begun.acquire(timeout=60)
        assert begun.acquire(timeout=60)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert all(future.result() != 201 for future in waiting)
    never.set()
    again = start(tmp_path / "home")
    assert again.http.get(f"{repository}/branches/main").json()["commit_id"] == head
    listener.wait("/after", 2)


def _status_of_commit(server: Any, repository: str) -> int:
    try:
        return int(server.commit(repository).status_code)
    except httpx.HTTPError:
        return 0
