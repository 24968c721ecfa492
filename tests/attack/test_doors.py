"""The API's doors: tokens of the wrong role, hostile names and paths, bodies that mean two things at once."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catalog.api.app import PREFIX, create_app
from catalog.api.http import State
from catalog.domain.dataset import Provenance
from catalog.domain.principal import ACTIONS
from catalog.domain.requests import RegisterDataset
from catalog.errors import AssayError
from catalog.services import register, train
from tests.attack.attacker import Attack
from tests.support.house import ended, model_folder
from tests.support.posts import POSTS, RUN_START
from tests.support.recordings import provenance, recording

ROLES = {
    "engineer": {"contributor", "trainer"},
    "steward": {"steward"},
    "evaluator": {"evaluator"},
    "approver-1": {"approver"},
    "viewer": {"viewer"},
}


@pytest.fixture(scope="module")
def api(attack: Attack) -> Iterator[TestClient]:
    state = State(attack.desk.context, attack.desk.service.operations, attack.house.settings.home)
    with TestClient(create_app(state), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def post(attack: Attack, api: TestClient) -> Callable[..., tuple[int, dict[str, Any]]]:
    def send(path: str, body: Any, who: str = "engineer", **headers: str) -> tuple[int, dict[str, Any]]:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        sent = {"Authorization": f"Bearer {attack.house.token(who)}", "Idempotency-Key": str(uuid.uuid4()), **headers}
        answer = api.post(PREFIX + path, content=content, headers=sent)
        return answer.status_code, answer.json()

    return send


Post = Callable[..., tuple[int, dict[str, Any]]]


def test_every_post_is_in_this_table(api: TestClient) -> None:
    paths = api.get(f"{PREFIX}/openapi.json").json()["paths"]
    assert {p.removeprefix(PREFIX) for p, methods in paths.items() if "post" in methods} == set(POSTS)
    assert not [p for p, methods in paths.items() if set(methods) - {"get", "post"}]


@pytest.mark.parametrize("route", [r for r in POSTS if POSTS[r][1]])
def test_a_token_of_another_role(attack: Attack, post: Post, route: str) -> None:
    path, action, body = POSTS[route]
    barred = [who for who, roles in ROLES.items() if not roles & ACTIONS[action]]
    assert barred or action in ("read", "model.judge"), "a route for everybody says so here"
    with attack.unchanged():
        for who in barred:
            status, said = post(path, body, who)
            assert (status, said["kind"]) == (403, "role-missing"), (who, said)
            assert action in said["title"]


@pytest.mark.parametrize("token", ["", "x", "Bearer", "' or 1=1 --", "a" * 5000])
def test_a_token_of_nobody(attack: Attack, api: TestClient, token: str) -> None:
    for path in ("/datasets", "/status", "/audit", "/models", "/policies", "/lineage?of=arm"):
        answer = api.get(PREFIX + path, headers={"Authorization": f"Bearer {token}"} if token else {})
        assert answer.status_code == 401
        assert answer.json()["kind"] in ("token-missing", "token-invalid")
        assert token[:200] not in answer.text or len(token) < 3


def test_nobody_unknown_makes_the_service_parse(api: TestClient) -> None:
    """A body of many megabytes costs ten times that in memory: the token is looked at first."""
    for headers in ({}, {"Authorization": "Bearer nobody"}):
        answer = api.post(f"{PREFIX}/lineage", content=b"{" * 1000, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["kind"] in ("token-missing", "token-invalid")


def test_a_digest_of_a_token_is_no_token(attack: Attack, api: TestClient) -> None:
    """What the records hold opens nothing."""
    with attack.desk.context.records.read() as c:
        digests = [r[0] for r in c.exec_driver_sql("select token_digest from principal")]
    for digest in digests:
        answer = api.get(f"{PREFIX}/status", headers={"Authorization": f"Bearer {digest}"})
        assert answer.json()["kind"] == "token-invalid"


@pytest.mark.parametrize(
    "body",
    [
        '{"device_class": "collaborative-arm", "device_class": "demo-arm"}',
        '{"device_class": "demo-arm", "x": NaN}',
        '{"device_class": "demo-arm", "x": 1e999}',
        '{"device_class": "demo-arm", "policy": "sha256:00"}',
        '{"device_class": "demo-arm", "environment": "dev"}',
        '{"device_class": ["demo-arm"]}',
        '{"device_class": "demo-arm"} {}',
        "[" * 100_000,
        "\ufeff{}",
        b"\xff\xfe",
    ],
)
def test_a_body_that_means_two_things(attack: Attack, post: Post, tmp_path: Path, body: str | bytes) -> None:
    """No key twice, nothing that is no number, and no field by which a caller would choose the policy."""
    with attack.unchanged():
        status, said = post("/models/m/decision", body)
    assert (status, said["kind"]) == (422, "document-invalid")


def test_one_key_for_two_requests(attack: Attack, post: Post) -> None:
    key = {"Idempotency-Key": "the same key"}
    assert post("/runs", RUN_START, **key)[0] == 200
    assert post("/runs", RUN_START | {"name": "other"}, **key)[1]["kind"] == "idempotency-reused"
    assert post("/lines", {"name": "l", "device_class": "demo-arm"}, "approver-1", **key)[0] == 200, (
        "keys are each caller's own"
    )


def test_somebody_elses_operation_and_run(attack: Attack, post: Post, tmp_path: Path) -> None:
    operation = attack.desk.begin_check("arm", "one", by="steward")
    attack.desk.wait(operation)
    assert post(f"/operations/{operation}/cancel", {})[1]["kind"] == "role-missing"
    run = attack.desk.start_run("theirs", by="somebody")
    for path, body in (
        ("versions", {"dataset": "arm"}),
        ("end", {"status": "finished"}),
        ("folders", {"path": str(tmp_path)}),
    ):
        assert post(f"/runs/{run.id}/{path}", body)[1]["kind"] == "separation-of-duties"
    made = model_folder(tmp_path / "m", 3)
    status, said = post("/models", {"name": "m", "path": str(made), "run": run.id})
    assert status == 422
    assert "somebody" in said["title"]
    assert attack.desk.context.run(run.id).inputs == ()


# names


NAMES = ["..", "../x", "a/b", "a b", "A", "a_b", "ä", "-a", "a-", "", "x" * 61, "a\n", "a\x00", "<b>", "'; drop table"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_slug(attack: Attack, post: Post, tmp_path: Path, name: str) -> None:
    folder = str(recording(tmp_path / "r", episodes=1))
    model = str(model_folder(tmp_path / "m", 4))
    document = {"ingest": "one", "path": folder, "provenance": provenance()}
    tries = [
        ("/datasets/hostile/ingests", document | {"ingest": name}, "engineer"),
        ("/models", {"name": name, "path": model}, "engineer"),
        ("/runs", RUN_START | {"name": name}, "engineer"),
        ("/lines", {"name": name, "device_class": "demo-arm"}, "approver-1"),
        ("/lines", {"name": "l", "device_class": name}, "approver-1"),
        ("/models/m/decision", {"device_class": name}, "viewer"),
    ]
    with attack.unchanged():
        for path, body, who in tries:
            status, said = post(path, body, who)
            assert (status, said["kind"]) == (422, "document-invalid"), (path, said)


def test_a_longest_name_works_everywhere(attack: Attack, tmp_path: Path) -> None:
    """The longest slug is a repository, a branch and a folder: what is taken at the door must fit behind it."""
    name = "x" * 56
    attack.desk.bring(name, name, recording(tmp_path / "r", episodes=1, seed=31))
    attack.desk.register_model(name, model_folder(tmp_path / "m", 5))
    assert attack.approved()[name].startswith("sha256:")


@pytest.mark.parametrize("path", ["relative", "../..", "/nowhere/at/all", "/etc/hostname", "~"])
def test_a_path_that_is_no_folder(attack: Attack, post: Post, path: str) -> None:
    document = {"ingest": "one", "path": path, "provenance": provenance()}
    with attack.unchanged():
        for where, body in (("/datasets/hostile/ingests", document), ("/models", {"name": "m", "path": path})):
            assert post(where, body)[1]["kind"] in ("path-missing", "input-invalid")


LINKS = {"file": "meta/link.json", "folder": "data/chunk-001"}


@pytest.mark.parametrize("what", LINKS)
def test_a_link_out_of_the_folder(attack: Attack, tmp_path: Path, what: str) -> None:
    """A contributor's folder with a link to what only the service may read."""
    folder = recording(tmp_path / "r", episodes=1, seed=32)
    target = attack.keys / "steward.token" if what == "file" else attack.keys
    (folder / LINKS[what]).symlink_to(target)
    error = attack.refused("dataset-unreadable", lambda: attack.desk.register("linked", "one", folder))
    assert "link" in error.what
    made = model_folder(tmp_path / "m", 6)
    (made / "link.json").symlink_to(target)
    attack.refused("model-invalid", lambda: attack.desk.register_model("linked", made))


FILES = ["a\nb.json", "\x1b[2J.json", "\u202egnp.json", "back\\slash.json", os.fsdecode(b"\xff.json")]


@pytest.mark.parametrize("name", FILES, ids=ascii)
def test_a_file_name_that_is_no_text(attack: Attack, tmp_path: Path, name: str) -> None:
    """A name that would move a terminal's cursor, turn its text around or be no text at all is refused by its escape."""
    folder = recording(tmp_path / "r", episodes=1, seed=33)
    (folder / "meta" / name).write_text("{}")
    error = attack.refused("dataset-unreadable", lambda: attack.desk.register("named", "one", folder))
    assert error.what.isprintable()
    made = model_folder(tmp_path / "m", 7)
    (made / name).write_text("{}")
    attack.refused("model-invalid", lambda: attack.desk.register_model("named", made))
    run = attack.desk.start_run("named")
    with attack.unchanged():
        try:
            train.give_folder(attack.desk.context, "engineer", run.id, str(folder))
        except AssayError as refused:
            assert str(refused).isprintable()  # noqa: PT017 - taking it is right, too


def test_markup_in_free_text_is_kept_as_text(attack: Attack, tmp_path: Path) -> None:
    """Free text is no name: it is kept as it is, traced by an escaped URN, and escaped where it is shown."""
    hostile = "<script>alert(1)</script>[red]\x1b[31m/../%00"
    folder = recording(tmp_path / "r", episodes=2, seed=34)
    facts = [{"episode_index": i, "robot": hostile, "rig": hostile, "site": hostile} for i in range(2)]
    (folder / "meta/assay_episodes.jsonl").write_text("".join(json.dumps(f) + "\n" for f in facts))
    (folder / "meta/provenance.json").unlink()
    document = Provenance.of(provenance(robot=hostile, licence=hostile, description=hostile))
    operations = attack.desk.service.operations
    ended(
        attack.desk.wait(
            register.start(
                operations, "engineer", "markup", RegisterDataset(ingest="one", path=str(folder), provenance=document)
            )
        )
    )
    version = attack.desk.context.candidate("markup", "one")
    assert version.manifest.roots[0].provenance.source.robot == hostile
    with attack.desk.context.records.read() as c:
        edges = [r[0] for r in c.exec_driver_sql("select src from edge where kind = 'recorded-on'")]
    assert any("%3Cscript%3E" in e for e in edges)
    assert all(e.isprintable() and "<" not in e for e in edges)


@pytest.mark.parametrize("path", ["../../service.db", "..%2f..%2fservice.db", "/etc/passwd", "contract.json/..", ""])
def test_a_path_out_of_a_model(attack: Attack, api: TestClient, tmp_path: Path, path: str) -> None:
    if not [m for m in ("pathed",) if attack.desk.context.records and _known(attack, m)]:
        attack.desk.register_model("pathed", model_folder(tmp_path / "m", 8))
    headers = {"Authorization": f"Bearer {attack.house.token('viewer')}"}
    answer = api.get(f"{PREFIX}/models/pathed/files/{path}", headers=headers)
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content


def _known(attack: Attack, model: str) -> bool:
    try:
        return bool(attack.desk.context.model(model))
    except AssayError:
        return False


@pytest.mark.parametrize(
    "of", ["urn:assay:nothing:x", "urn:assay:model:..", "urn:assay:", "arm@../..", "%", "x" * 5000]
)
def test_a_hostile_urn(attack: Attack, api: TestClient, of: str) -> None:
    headers = {"Authorization": f"Bearer {attack.house.token('viewer')}"}
    answer = api.get(f"{PREFIX}/lineage", params={"of": of}, headers=headers)
    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["kind"] in ("input-invalid", "node-unknown")
