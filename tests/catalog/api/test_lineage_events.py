"""Lineage of other systems over HTTP: as OpenLineage's clients send it, without a key, all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catalog.api.app import create_app
from catalog.api.http import State
from catalog.domain.clock import uuid7
from tests.support.house import Desk, House

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "openlineage_events"
EVENT: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2026-03-01T12:00:00Z",
    "producer": "https://example.org",
    "schemaURL": "https://example.org",
    "run": {"runId": "41fb5137-f0fd-4ee5-ba5c-56f8571d1bd7"},
    "job": {"namespace": "etl", "name": "export"},
    "inputs": [{"namespace": "lake", "name": "a"}],
    "outputs": [{"namespace": "lake", "name": "b"}],
}


@pytest.fixture(scope="module")
def client(shared_desk: Desk) -> Iterator[TestClient]:
    state = State(shared_desk.context, shared_desk.service.operations, shared_desk.service.settings.home)
    with TestClient(create_app(state)) as found:
        yield found


def send(client: TestClient, house: House, body: bytes, by: str = "engineer", **headers: str) -> Any:
    said = {"Authorization": f"Bearer {house.token(by)}", "Content-Type": "application/json", **headers}
    return client.post("/api/v1/lineage", content=body, headers=said)


def test_an_event_is_taken_once(client: TestClient, shared_house: House) -> None:
    body = json.dumps(EVENT).encode()
    assert send(client, shared_house, body).json()["new"] == 2
    assert send(client, shared_house, body).json()["new"] == 0
    key = {"Idempotency-Key": uuid7()}
    first, again = (send(client, shared_house, body, **key) for _ in range(2))
    assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")


def test_a_batch_is_taken_whole_or_not_at_all(client: TestClient, shared_house: House, shared_desk: Desk) -> None:
    head = shared_desk.context.records.head()
    good = {**EVENT, "outputs": [{"namespace": "lake", "name": "c"}]}
    bad = send(client, shared_house, json.dumps([good, {**EVENT, "run": {}}]).encode())
    assert (bad.status_code, bad.json()["kind"]) == (422, "lineage-event-invalid")
    assert "event 1: run.runId" in bad.json()["title"]
    assert shared_desk.context.records.head() == head
    assert send(client, shared_house, json.dumps([good, EVENT]).encode()).json()["new"] == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "document-invalid"),
        (b"{", "document-invalid"),
        (b'{"run": 1, "run": 2}', "document-invalid"),
        (b'{"x": NaN}', "document-invalid"),
        (b"[]", "lineage-event-invalid"),
        (b"1", "lineage-event-invalid"),
    ],
)
def test_what_is_no_event(client: TestClient, shared_house: House, body: bytes, kind: str) -> None:
    said = send(client, shared_house, body)
    assert (said.status_code, said.json()["kind"]) == (422, kind)


def test_a_role_is_needed(client: TestClient, shared_house: House) -> None:
    assert send(client, shared_house, json.dumps(EVENT).encode(), "viewer").json()["kind"] == "role-missing"


def test_any_other_post_still_needs_its_key(client: TestClient, shared_house: House) -> None:
    said = client.post(
        "/api/v1/recalls/reach",
        content=b'{"what":"x"}',
        headers={"Authorization": f"Bearer {shared_house.token('viewer')}"},
    )
    assert "Idempotency-Key" in said.json()["title"]


@pytest.mark.skipif(not REAL.is_dir(), reason="the events recorded from OpenLineage are not on this machine")
@pytest.mark.parametrize(("name", "status"), [("event_full", 200), ("event_simple", 200), ("event_no_run_id", 422)])
def test_events_of_openlineage_itself(client: TestClient, shared_house: House, name: str, status: int) -> None:
    assert send(client, shared_house, (REAL / f"{name}.json").read_bytes()).status_code == status
