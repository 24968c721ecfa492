"""T1: a package inside a training job, with the job's token and the user's files, tries to get its own model onto a robot.

It calls approve and promote, edits the records, and signs with every key it finds; the device refuses by itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from catalog.api.app import PREFIX, create_app
from catalog.api.http import State
from catalog.attest.envelope import DECISION, sign
from catalog.attest.keys import generate
from catalog.attest.roles import sign_role
from catalog.domain.clock import uuid7
from catalog.domain.release import Release
from catalog.errors import AssayError
from catalog.services.propose_release import propose_release
from catalog.services.publish import publish
from infra.edge.device import Device
from infra.edge.errors import EdgeError
from infra.edge.fetch import source
from infra.edge.provision import provision
from infra.edge.pull import pull
from infra.edge.start import load
from tests.attack.attacker import CLASS, Attack
from tests.support.house import House
from tests.support.recordings import recording


@dataclass
class Job:
    """A job's hands: the API as engineer, the files of the machine, keys that it makes or finds."""

    attack: Attack
    client: TestClient
    device: Device
    loot: Path

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.attack.house.token('engineer')}", "Idempotency-Key": uuid7()}
        said = self.client.post(PREFIX + path, headers=headers, content=json.dumps(body).encode())
        return said.status_code, str(said.json().get("kind"))

    def runs(self) -> str:
        """The model that the device would start now."""
        return load(self.device).model

    def pulls(self) -> None:
        """The device asks the repository, as it does by itself; what it refuses, it refuses."""
        folder = str(self.attack.desk.context.releases.folder)
        pull(self.device, source(folder, "none"))


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """An honest release on a device, and a job whose own model is blocked: it was fitted on nothing recorded."""
    house = House.begin(tmp_path)
    with house.open() as desk:
        attack = Attack(house, desk)
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        attack.eligible("honest", tmp_path / "honest", 1)
        desk.release("honest")
        attack.model("evil", tmp_path / "evil", None, seed=666)
        releases = desk.context.releases
        provision(
            tmp_path / "device",
            name="arm-7",
            device_class=CLASS,
            environment="demo",
            hardware="bench",
            root=releases.folder / "metadata" / "1.root.json",
            root_digest=releases.root_digest(),
        )
        state = State(desk.context, desk.service.operations, house.settings.home)
        loot = tmp_path / "loot"
        loot.mkdir()
        found = Job(
            attack, TestClient(create_app(state), raise_server_exceptions=False), Device(tmp_path / "device"), loot
        )
        found.pulls()
        yield found


def test_the_api_gives_a_job_neither_signature_nor_promotion(job: Job) -> None:
    honest = job.runs()
    generate(job.loot / "own.pem")
    desk = job.attack.desk
    proposal = propose_release(desk.context, "approver-1", "honest", CLASS)
    envelope = sign(proposal.decision.canonical(), DECISION, job.loot / "own.pem")
    role = sign_role(proposal.release.role.encode(), job.loot / "own.pem")
    with job.attack.unchanged():
        tries = {
            "/models/evil/promotion": {"device_class": CLASS},
            "/models/evil/proposal": {"device_class": CLASS},
            f"/releases/{proposal.release.manifest.id}/signatures": {"envelope": envelope, "role": role.document()},
            f"/classes/{CLASS}/rollback": {"to": proposal.release.manifest.id},
            "/lines": {"name": "mine", "device_class": CLASS},
        }
        assert {path: job.post(path, body) for path, body in tries.items()} == dict.fromkeys(
            tries, (403, "role-missing")
        )
    job.pulls()
    assert job.runs() == honest


@pytest.mark.parametrize("found", ["own", "evaluator", "steward", "report", "release"])
def test_signing_with_any_key_it_finds_counts_for_nothing(job: Job, found: str) -> None:
    """Also the online key, should the job find it: that one chooses and denies, and allows nothing."""
    desk, honest = job.attack.desk, job.runs()
    if found == "own":
        generate(job.attack.key("own"))
    job.attack.eligible("second", job.loot / "second", 2, line="second")
    proposal = propose_release(desk.context, "approver-1", "second", CLASS)
    envelope = sign(proposal.decision.canonical(), DECISION, job.attack.key(found))
    role = sign_role(proposal.release.role.encode(), job.attack.key(found))
    for by in ("approver-1", "approver-2"):
        job.attack.refused("signer-not-enrolled", lambda by=by: _approve(job, by, proposal.release, envelope, role))
        assert job.attack.audited("release.approve.refused", proposal.release.manifest.id)
    assert desk.fails(lambda: desk.promote("second")).kind == "approvals-missing"
    job.pulls()
    assert job.runs() == honest


def _approve(job: Job, by: str, release: Release, envelope: dict[str, Any], role: Any) -> Any:
    from catalog.services.approve_release import approve_release

    return approve_release(job.attack.desk.context, by, release.manifest.id, envelope, role)


def test_a_release_written_into_the_records_is_not_published(job: Job) -> None:
    """The records say allowed, and nobody signed: the repository takes nothing that approvers' keys did not list."""
    desk, honest = job.attack.desk, job.runs()
    job.attack.eligible("second", job.loot / "second", 2, line="second")
    proposal = propose_release(desk.context, "approver-1", "second", CLASS)
    forged = proposal.release.model_copy(update={"allowed_at": desk.context.clock(), "allowed_by": "releaser"})
    database = sqlite3.connect(job.attack.house.settings.database)
    database.execute(
        "update release set state = 'allowed', body = ? where id = ?",
        (forged.canonical().decode(), forged.manifest.id),
    )
    database.execute(
        "insert into choice select device_class, '2999-01-01T00:00:00.000000Z', ?, replace(body, release, ?) from choice",
        (forged.manifest.id, forged.manifest.id),
    )
    database.commit()
    database.close()
    with pytest.raises(AssayError) as refused:
        publish(desk.context)
    assert refused.value.kind in ("approvals-missing", "release-denied", "release-invalid")
    job.pulls()
    assert job.runs() == honest


def test_files_put_into_the_repository_are_not_what_was_signed(job: Job) -> None:
    desk, honest = job.attack.desk, job.runs()
    folder = desk.context.releases.folder
    evil = (job.loot.parent / "evil" / "weights.npz").read_bytes()
    for blob in (folder / "targets" / "blobs").iterdir():
        if blob.read_bytes()[:2] == b"PK":
            blob.chmod(0o600)
            blob.write_bytes(evil)
    job.pulls()
    assert job.runs() == honest
    for metadata in sorted((folder / "metadata").glob(f"*.{CLASS}.json")):
        metadata.chmod(0o600)
        metadata.write_text(metadata.read_text().replace("honest", "e-vil1"))
    job.pulls()
    assert job.runs() == honest
    provision(
        job.loot / "fresh",
        name="arm-8",
        device_class=CLASS,
        environment="demo",
        hardware="bench",
        root=folder / "metadata" / "1.root.json",
        root_digest=desk.context.releases.root_digest(),
    )
    fresh = Job(job.attack, job.client, Device(job.loot / "fresh"), job.loot)
    with pytest.raises(EdgeError) as refused:
        fresh.pulls()
    assert refused.value.kind in ("metadata-mixed", "metadata-unsigned")
    assert fresh.device.state().current is None
