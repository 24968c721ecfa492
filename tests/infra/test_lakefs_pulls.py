"""Pull requests over HTTP and through lakeFS's own client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lakefs_sdk
import pytest
from lakefs_sdk import models
from lakefs_sdk.exceptions import ApiException

from tests.support.listener import Listener, listening

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@pytest.fixture
def repository(server: Any) -> str:
    """With `main` and a branch `side` that adds `s`."""
    made = str(server.repository())
    server.put(made, "a", b"0")
    server.commit(made)
    branch(server, made, "side", "s")
    return made


def branch(server: Any, repository: str, name: str, path: str, content: bytes = b"1") -> str:
    server.http.post(f"{repository}/branches", json={"name": name, "source": "main"})
    server.put(repository, path, content, name)
    return str(server.commit(repository, name).json()["id"])


def ask(server: Any, repository: str, source: str = "side", destination: str = "main", title: str = "please") -> str:
    body = {"title": title, "source_branch": source, "destination_branch": destination, "description": "why"}
    made = server.http.post(f"{repository}/pulls", json=body)
    assert made.status_code == 201, made.text
    return f"{repository}/pulls/{made.json()['id']}"


def test_the_life_of_a_pull_request_through_the_sdk(server: Any, repository: str) -> None:
    name = repository.rsplit("/", 1)[1]
    client = lakefs_sdk.ApiClient(lakefs_sdk.Configuration(host=server.url, username="key", password="secret"))
    pulls = lakefs_sdk.PullsApi(client)
    creation = models.PullRequestCreation(title="add s", source_branch="side", destination_branch="main")
    made = pulls.create_pull_request(name, creation)
    found = pulls.get_pull_request(name, made.id)
    assert (found.status, found.title, found.description, found.author) == ("open", "add s", "", "quickstart")
    assert (found.source_branch, found.destination_branch) == ("side", "main")
    assert (found.merged_commit_id, found.closed_date) == (None, None)
    assert abs((datetime.now(UTC) - found.creation_date).total_seconds()) < 3600
    pulls.update_pull_request(name, made.id, models.PullRequestBasic(title="better", description="because"))
    pulls.update_pull_request(name, made.id, models.PullRequestBasic(status="closed"))
    closed = pulls.get_pull_request(name, made.id)
    assert (closed.status, closed.title, closed.description) == ("closed", "better", "because")
    assert closed.closed_date is not None
    with pytest.raises(ApiException) as refused:
        pulls.merge_pull_request(name, made.id)
    assert refused.value.status == 400
    pulls.update_pull_request(name, made.id, models.PullRequestBasic(status="open"))
    assert pulls.get_pull_request(name, made.id).closed_date is None
    merged = pulls.merge_pull_request(name, made.id).reference
    done = pulls.get_pull_request(name, made.id)
    assert (done.status, done.merged_commit_id) == ("merged", merged)
    assert done.closed_date is not None
    head = lakefs_sdk.BranchesApi(client).get_branch(name, "main").commit_id
    assert head == merged
    commit = lakefs_sdk.CommitsApi(client).get_commit(name, merged)
    assert commit.metadata == {".lakefs.merge.strategy": "default"}
    assert lakefs_sdk.BranchesApi(client).get_branch(name, "side").commit_id == commit.parents[1]
    assert [pull.status for pull in pulls.list_pull_requests(name, status="closed").results] == ["merged"]
    assert pulls.list_pull_requests(name, status="open").results == []
    lakefs_sdk.BranchesApi(client).delete_branch(name, "side")
    assert pulls.get_pull_request(name, made.id) == done


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": "t", "source_branch": "none", "destination_branch": "main"}, 404),
        ({"title": "t", "source_branch": "side", "destination_branch": "none"}, 404),
        ({"title": "t", "source_branch": "main", "destination_branch": "main"}, 400),
        ({"title": "t", "source_branch": "main~1", "destination_branch": "main"}, 404),
        ({"title": "", "source_branch": "side", "destination_branch": "main"}, 400),
        ({"title": "t" * 1025, "source_branch": "side", "destination_branch": "main"}, 400),
        ({"title": "t", "description": "d" * 70_000, "source_branch": "side", "destination_branch": "main"}, 400),
        ({"title": 7, "source_branch": "side", "destination_branch": "main"}, 400),
        ({"source_branch": "side", "destination_branch": "main"}, 400),
        ({"title": "t", "destination_branch": "main"}, 400),
    ],
)
def test_what_cannot_be_asked(server: Any, repository: str, body: dict[str, Any], status: int) -> None:
    assert server.http.post(f"{repository}/pulls", json=body).status_code == status
    assert server.http.get(f"{repository}/pulls").json()["results"] == []


def test_what_cannot_be_updated(server: Any, repository: str) -> None:
    pull = ask(server, repository)
    before = server.http.get(pull).json()
    for body in ({"status": "merged"}, {"status": "gone"}, {"title": ""}, {"title": 1}, {"description": "d" * 70_000}):
        assert server.http.patch(pull, json={"description": "new", **body}).status_code == 400
    assert server.http.get(pull).json() == before
    assert server.http.patch(pull, json={}).status_code == 204
    assert server.http.get(pull).json() == before
    assert server.http.put(f"{pull}/merge").status_code == 200
    assert server.http.patch(pull, json={"status": "open"}).status_code == 400
    assert server.http.patch(pull, json={"status": "closed"}).status_code == 400
    assert server.http.patch(pull, json={"status": "merged", "title": "afterwards"}).status_code == 204
    assert server.http.put(f"{pull}/merge").status_code == 400
    assert server.http.get(pull).json()["title"] == "afterwards"


def test_what_is_not_there(server: Any, repository: str) -> None:
    pull = ask(server, repository)
    identifier = pull.rsplit("/", 1)[1]
    other = server.repository()
    for path in (f"{repository}/pulls/0", f"{repository}/pulls/{'f' * 16}", f"{other}/pulls/{identifier}"):
        assert server.http.get(path).status_code == 404
        assert server.http.patch(path, json={"title": "x"}).status_code == 404
        assert server.http.put(f"{path}/merge").status_code == 404
    assert server.http.get("/repositories/none-such/pulls").status_code == 404
    assert (
        server.http.post(
            "/repositories/none-such/pulls", json={"title": "t", "source_branch": "a", "destination_branch": "b"}
        ).status_code
        == 404
    )


def test_lists_by_status_prefix_and_page(server: Any, repository: str) -> None:
    pulls = [ask(server, repository, title=str(number)).rsplit("/", 1)[1] for number in range(5)]
    server.http.patch(f"{repository}/pulls/{pulls[1]}", json={"status": "closed"})
    server.http.put(f"{repository}/pulls/{pulls[3]}/merge")

    def listed(**query: Any) -> list[str]:
        return [pull["id"] for pull in server.http.get(f"{repository}/pulls", params=query).json()["results"]]

    assert listed() == listed(status="all") == pulls == sorted(pulls)
    assert listed(status="open") == [pulls[0], pulls[2], pulls[4]]
    assert listed(status="closed") == [pulls[1], pulls[3]]
    assert listed(status="merged") == [pulls[3]]
    assert listed(prefix=pulls[2]) == [pulls[2]]
    assert listed(prefix="x") == []
    assert server.http.get(f"{repository}/pulls", params={"status": "lost"}).status_code == 400
    first = server.http.get(f"{repository}/pulls", params={"amount": 3}).json()
    assert first["pagination"] == {"has_more": True, "max_per_page": 1000, "next_offset": pulls[2], "results": 3}
    assert listed(after=first["pagination"]["next_offset"]) == pulls[3:]
    assert listed(after=pulls[0], status="open", amount=1) == [pulls[2]]


def test_a_conflict_is_409_and_leaves_it_open(server: Any, repository: str) -> None:
    branch(server, repository, "left", "a", b"left")
    branch(server, repository, "right", "a", b"right")
    assert server.http.put(f"{ask(server, repository, 'left')}/merge").status_code == 200
    pull = ask(server, repository, "right")
    head = server.http.get(f"{repository}/branches/main").json()
    conflict = server.http.put(f"{pull}/merge")
    assert conflict.status_code == 409
    assert conflict.json()["reference"] == ""
    assert server.http.get(pull).json()["status"] == "open"
    assert server.http.get(f"{repository}/branches/main").json() == head
    assert (
        server.http.put(
            f"{pull}/merge",
            json={"strategy": "source-wins", "message": "mine", "metadata": {"k": "v"}, "squash_merge": True},
        ).status_code
        == 200
    )
    made = server.http.get(f"{repository}/commits/main").json()
    assert (made["message"], len(made["parents"])) == ("mine", 1)
    assert made["metadata"] == {".lakefs.merge.strategy": "source-wins", "k": "v"}
    assert server.get(repository, "a").content == b"right"


def test_it_merges_the_source_as_it_is_then_and_nothing_twice(server: Any, repository: str) -> None:
    pull = ask(server, repository)
    again = ask(server, repository)
    server.put(repository, "later", b"1", "side")
    server.commit(repository, "side")
    assert server.http.put(f"{pull}/merge").status_code == 200
    assert server.get(repository, "later").content == b"1"
    nothing = server.http.put(f"{again}/merge")
    assert nothing.status_code == 400
    assert "no changes" in nothing.json()["message"]
    assert server.http.get(again).json()["status"] == "open"
    gone = ask(server, repository)
    server.http.delete(f"{repository}/branches/side")
    assert server.http.put(f"{gone}/merge").status_code == 404
    assert server.http.patch(gone, json={"status": "closed"}).status_code == 204


def test_hooks_of_a_merge_judge_it(server: Any, repository: str, listener: Listener) -> None:
    text = f"on: {{pre-merge: , post-merge: }}\nhooks: [{{id: g, type: webhook, properties: {{url: '{listener.url}/g'}}}}]\n"
    server.put(repository, "_lakefs_actions/g.yaml", text, "side")
    server.commit(repository, "side")
    pull = ask(server, repository)
    listener.answer("/g", 403, 200)
    assert server.http.put(f"{pull}/merge").status_code == 412
    assert server.http.get(pull).json()["status"] == "open"
    merged = server.http.put(f"{pull}/merge").json()["reference"]
    told = listener.wait("/g", 3)[1:]
    assert [event["event_type"] for event in told] == ["pre-merge", "post-merge"]
    assert {event["commit_id"] for event in told} == {merged}
    assert server.http.get(pull).json()["merged_commit_id"] == merged


def test_one_closed_while_its_hooks_run_is_not_merged(server: Any, repository: str, listener: Listener) -> None:
    text = f"on: {{pre-merge: }}\nhooks: [{{id: g, type: webhook, properties: {{url: '{listener.url}/g'}}}}]\n"
    server.put(repository, "_lakefs_actions/g.yaml", text, "side")
    server.commit(repository, "side")
    pull = ask(server, repository)
    head = server.http.get(f"{repository}/branches/main").json()
    listener.answer("/g", lambda _: int(server.http.patch(pull, json={"status": "closed"}).status_code))
    refused = server.http.put(f"{pull}/merge")
    assert refused.status_code == 400
    assert "is closed" in refused.json()["message"]
    assert server.http.get(f"{repository}/branches/main").json() == head
    assert server.http.get(pull).json()["status"] == "closed"


def test_many_merge_one_request_and_one_does(server: Any, repository: str) -> None:
    pull = ask(server, repository)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: server.http.put(f"{pull}/merge"), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 11
    merged = next(answer.json()["reference"] for answer in answers if answer.status_code == 200)
    assert server.http.get(pull).json()["merged_commit_id"] == merged
    assert server.http.get(f"{repository}/branches/main").json()["commit_id"] == merged


def test_requests_outlive_the_server_and_go_with_their_repository(start: Any, tmp_path: Path) -> None:
    first = start(tmp_path / "home")
    repository = first.repository()
    branch(first, repository, "side", "s")
    pull = ask(first, repository)
    before = first.http.get(pull).json()
    first.kill()
    second = start(tmp_path / "home")
    assert second.http.get(pull).json() == before
    assert second.http.put(f"{pull}/merge").status_code == 200
    assert second.http.delete(repository).status_code == 204
    name = repository.rsplit("/", 1)[1]
    second.http.post("/repositories", json={"name": name, "storage_namespace": "local://another"})
    assert second.http.get(f"{repository}/pulls").json()["results"] == []
