"""The API as any client meets it: strict bodies, kept answers, problems for every error, pages, one OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catalog.api.app import PREFIX, create_app
from catalog.api.http import MAX_BODY, State
from catalog.cli.home import PRINCIPALS
from catalog.domain.clock import uuid7
from catalog.domain.principal import ACTIONS
from catalog.errors import CLASSES
from tests.support.house import Desk, House
from tests.support.posts import POSTS as EVERY_POST
from tests.support.recordings import recording

KINDS = {kind for cls in CLASSES for kind in cls.kinds}
OF_WHO_BEGAN_IT = "/operations/x/cancel"  # needs no role
POSTS = {path: (action, body) for path, action, body in EVERY_POST.values() if path != OF_WHO_BEGAN_IT}


class Caller:
    """One principal's requests."""

    def __init__(self, client: TestClient, token: str) -> None:
        self.client, self.headers = client, {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(PREFIX + path, headers=self.headers, params=query or None)

    def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        said = self.headers | {"Idempotency-Key": key or uuid7()} | headers
        return self.client.post(PREFIX + path, headers=said, content=content)


def is_problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["status"], said["kind"]) == (status, status, kind), said
    assert said["type"] == f"urn:assay:problem:{kind}"
    assert said["title"]
    assert kind in KINDS
    return said


@pytest.fixture(scope="module")
def client(shared_desk: Desk) -> Iterator[TestClient]:
    state = State(shared_desk.context, shared_desk.service.operations, shared_desk.service.settings.home)
    with TestClient(create_app(state), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="module")
def callers(client: TestClient, shared_house: House) -> dict[str, Caller]:
    return {name: Caller(client, shared_house.token(name)) for name, _, _ in PRINCIPALS}


def test_health_needs_no_token(client: TestClient) -> None:
    assert client.get(f"{PREFIX}/health").json()["service"] == "assay"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "token"])
def test_without_a_token(client: TestClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    is_problem(client.get(f"{PREFIX}/status", headers=headers), 401, "token-missing")


def test_with_a_wrong_token(client: TestClient, shared_house: House) -> None:
    is_problem(Caller(client, "wrong").get("/status"), 401, "token-invalid")
    is_problem(Caller(client, shared_house.token("viewer") + "x").get("/status"), 401, "token-invalid")
    is_problem(Caller(client, "wrong").post("/runs", {}), 401, "token-invalid")


@pytest.mark.parametrize("path", sorted(POSTS))
def test_every_post_is_refused_without_its_role(callers: dict[str, Caller], shared_desk: Desk, path: str) -> None:
    action, body = POSTS[path]
    audit = len(shared_desk.audit())
    refused = 0
    for name, roles, _ in PRINCIPALS:
        answer = callers[name].post(path, body)
        if ACTIONS[action] & set(roles):
            assert answer.json().get("kind") != "role-missing", name
        else:
            is_problem(answer, 403, "role-missing")
            refused += 1
    assert refused == sum(not ACTIONS[action] & set(roles) for _, roles, _ in PRINCIPALS)
    assert refused > 0 or action in ("model.judge", "read")
    assert len(shared_desk.audit()) - audit <= len(PRINCIPALS) - refused


def test_every_post_of_the_document_is_in_the_table(callers: dict[str, Caller]) -> None:
    document = callers["viewer"].get("/openapi.json").json()
    found = {path for path, methods in document["paths"].items() if "post" in methods}
    known = [re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$") for path in found]
    unmatched = [p.pattern for p in known if not any(p.match(PREFIX + q) for q in POSTS)]
    assert unmatched == [f"{PREFIX}/operations/[^/]+/cancel$"], "every POST is tried for every principal"


def test_the_openapi_document_is_whole(callers: dict[str, Caller]) -> None:
    document = callers["viewer"].get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    schemas = document["components"]["schemas"]
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    ids = []
    for path, methods in document["paths"].items():
        assert path.startswith(PREFIX)
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            assert operation["description"], path
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"\{([^}:]+)", path))
            has_body = POSTS.get(path.removeprefix(PREFIX).replace("{slug}", "arm").replace("{ingest}", "one"), (0, 0))[
                1
            ]
            assert method != "post" or not has_body or "requestBody" in operation, path
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/datasets", 405), ("DELETE", "/runs/x", 405)]
)
def test_what_is_not_there(client: TestClient, method: str, path: str, status: int) -> None:
    is_problem(client.request(method, PREFIX + path), status, "node-unknown")


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"limit": -1}], ids=lambda q: str(q["limit"])
)
def test_a_limit_out_of_bounds(callers: dict[str, Caller], query: dict[str, Any]) -> None:
    said = is_problem(callers["viewer"].get("/datasets", **query), 422, "input-invalid")
    assert said["where"] == "query.limit"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "document-invalid"),
        (b"", "document-invalid"),
        (b"[]", "document-invalid"),
        (b'{"name": "a", "name": "b"}', "document-invalid"),
        (b'{"name": NaN}', "document-invalid"),
        (b'{"name": 1e999}', "document-invalid"),
        (b'{"name": "Bad Name", "device_class": "demo-arm"}', "document-invalid"),
        (b'{"name": "a", "device_class": "demo-arm", "extra": 1}', "document-invalid"),
        (b'{"name": 1, "device_class": "demo-arm"}', "document-invalid"),
        (b"\xff\xfe", "document-invalid"),
        (b"[" * 100_000, "document-invalid"),
    ],
)
def test_a_body_that_is_not_strict(callers: dict[str, Caller], shared_desk: Desk, body: bytes, kind: str) -> None:
    before = len(shared_desk.audit())
    is_problem(callers["approver-1"].post("/lines", body), 422, kind)
    assert len(shared_desk.audit()) == before


def test_a_body_that_is_too_large_is_not_read(callers: dict[str, Caller]) -> None:
    answer = callers["approver-1"].post("/lines", b"{}", **{"Content-Length": str(MAX_BODY + 1)})
    is_problem(answer, 422, "input-invalid")


def test_a_body_of_unknown_length(callers: dict[str, Caller], client: TestClient) -> None:
    headers = callers["approver-1"].headers | {"Idempotency-Key": uuid7()}
    answer = client.post(f"{PREFIX}/lines", headers=headers, content=(chunk for chunk in [b"{", b"}"]))
    is_problem(answer, 422, "input-invalid")


@pytest.mark.parametrize("key", ["", "short", "x" * 129])
def test_an_idempotency_key_is_needed(callers: dict[str, Caller], key: str) -> None:
    headers = callers["approver-1"].headers | ({"Idempotency-Key": key} if key else {})
    answer = callers["approver-1"].client.post(f"{PREFIX}/lines", headers=headers, content=b"{}")
    said = is_problem(answer, 422, "input-invalid")
    assert "Idempotency-Key" in said["title"]


def test_a_repeated_post_gives_the_kept_answer(callers: dict[str, Caller], shared_desk: Desk) -> None:
    body, key = {"name": "kept", "device_class": "demo-arm"}, uuid7()
    first = callers["approver-1"].post("/lines", body, key)
    assert first.status_code == 200
    before = len(shared_desk.audit())
    again = callers["approver-1"].post("/lines", body, key)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(shared_desk.audit()) == before
    is_problem(callers["approver-1"].post("/lines", body), 409, "already-exists")
    other = {"name": "other", "device_class": "demo-arm"}
    is_problem(callers["approver-1"].post("/lines", other, key), 422, "idempotency-reused")
    is_problem(callers["approver-1"].post("/runs", body, key), 422, "idempotency-reused")
    assert callers["approver-2"].post("/lines", other, key).status_code == 200, "a key is its principal's own"


def test_a_refused_post_may_be_repeated_under_its_key(callers: dict[str, Caller]) -> None:
    body, key = {"reason": "bad"}, uuid7()
    path = "/datasets/not-yet/ingests/one/quarantine"
    is_problem(callers["steward"].post(path, body, key), 404, "dataset-unknown")
    is_problem(callers["steward"].post(path, body, key), 404, "dataset-unknown")


def test_pages_follow_each_other(callers: dict[str, Caller], shared_desk: Desk, tmp_path: Path) -> None:
    names = [f"page-{n}" for n in range(5)]
    for number, name in enumerate(names):
        shared_desk.register(name, "one", recording(tmp_path / name, episodes=1, seed=900 + number))
    found: list[str] = []
    after: str | None = "page-"
    while after is not None:
        page = callers["viewer"].get("/datasets", limit=2, after=after).json()
        assert 1 <= len(page["items"]) <= 2
        found += [d["slug"] for d in page["items"]]
        after = page["next"]
    assert found == names
    numbers: list[int] = []
    cursor: str | None = "-1"
    while cursor is not None:
        page = callers["viewer"].get("/audit", limit=7, after=cursor).json()
        numbers += [e["seq"] for e in page["items"]]
        cursor = page["next"]
    assert numbers == list(range(len(shared_desk.audit())))


def test_an_operation_is_cancelled_only_by_who_began_it(callers: dict[str, Caller], tmp_path: Path) -> None:
    folder = recording(tmp_path / "one", episodes=1, seed=950)
    document = json.loads((folder / "meta/provenance.json").read_text())
    body = {"ingest": "one", "path": str(folder), "provenance": document}
    started = callers["engineer"].post("/datasets/cancelled/ingests", body)
    assert started.status_code == 202
    operation = started.json()["operation"]
    is_problem(callers["steward"].post(f"/operations/{operation}/cancel"), 403, "role-missing")
    assert callers["engineer"].post(f"/operations/{operation}/cancel").status_code == 200
    is_problem(callers["engineer"].post("/operations/none/cancel"), 404, "operation-unknown")
    while (view := callers["viewer"].get(f"/operations/{operation}").json())["intent"]["state"] == "running":
        assert view["fraction"] <= 1


def test_a_bug_is_a_problem_too(callers: dict[str, Caller], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("catalog.api.system.status", broken)
    is_problem(callers["viewer"].get("/status"), 500, "internal-error")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/datasets/none", "dataset-unknown"),
        ("/datasets/none/approved", "dataset-unknown"),
        ("/runs/none", "run-unknown"),
        ("/models/none", "model-unknown"),
        ("/models/none/files/weights.npz", "model-unknown"),
        ("/decisions/none", "decision-unknown"),
        ("/plans/none", "plan-unknown"),
        ("/operations/none", "operation-unknown"),
        ("/lineage?of=none", "node-unknown"),
    ],
)
def test_what_nobody_recorded(callers: dict[str, Caller], path: str, kind: str) -> None:
    is_problem(callers["viewer"].get(path), 404, kind)


@pytest.mark.parametrize(
    "path", ["/datasets/None/approved", "/lineage?of=urn:assay:nonsense", "/lineage", "/audit?after=x"]
)
def test_questions_that_make_no_sense(callers: dict[str, Caller], path: str) -> None:
    answer = callers["viewer"].get(path)
    assert answer.status_code == 422
    is_problem(answer, 422, answer.json()["kind"])


def test_forty_waiters_on_one_key_do_not_stop_the_service(callers: dict[str, Caller], shared_desk: Desk) -> None:
    key, body = uuid7(), {"name": "crowd", "device_class": "demo-arm"}
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: callers["approver-1"].post("/lines", body, key), range(60)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert sum(e.action == "line.enrol" and e.subject == "crowd" for e in shared_desk.audit()) == 1
