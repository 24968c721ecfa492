"""An approver's key is lost: it is revoked, another is enrolled, and devices that were provisioned before follow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata, Snapshot, Timestamp
from tuf.ngclient import FetcherInterface, Updater

from catalog.attest.envelope import DECISION, sign
from catalog.attest.keys import generate
from catalog.attest.roles import sign_role, signer
from catalog.cli import rotation
from catalog.domain.enrolment import DeviceRequest
from catalog.domain.rotation import RotationPlan, SignRotation
from catalog.errors import AssayError
from catalog.services import rotate_keys
from catalog.services.approve_release import approve_release
from catalog.services.propose_release import propose_release
from catalog.services.publish import publish
from infra.edge.device import Device as EdgeDevice
from infra.edge.fetch import source
from infra.edge.provision import provision
from infra.edge.pull import pull
from tests.attack.attacker import CLASS, Attack
from tests.catalog.services.test_enrol import let_in, newcomer
from tests.catalog.services.test_revoke_key import revoke
from tests.support.house import Crash, Desk, House, crash_at, ended
from tests.support.postgresql import on_both_databases


class Disk(FetcherInterface):
    """What a device reads from a folder."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(url.removeprefix("file://"))
        if not path.is_file():
            raise DownloadHTTPError(f"no {path.name}", 404)
        yield path.read_bytes()


class Device:
    """A device that was provisioned with the first root, and nothing else."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.source, self.folder = desk.service.settings.releases, folder
        (folder / "targets").mkdir(parents=True)
        self.root = (self.source / "metadata" / "1.root.json").read_bytes()

    def told(self) -> Any:
        """What its class should run; raises what the TUF client raises."""
        updater = Updater(
            str(self.folder / "metadata"),
            f"file://{self.source}/metadata/",
            str(self.folder / "targets"),
            f"file://{self.source}/targets/",
            fetcher=Disk(),
            bootstrap=self.root,
        )
        updater.refresh()
        found = updater.get_targetinfo(f"current/{CLASS}.json")
        if found is None:
            return None
        current = json.loads(Path(updater.download_target(found)).read_bytes())
        if current["release"] is not None:
            assert updater.get_targetinfo(f"{CLASS}/{current['release']}.json") is not None
        return current["release"]


def plan(desk: Desk, **options: bool) -> RotationPlan:
    return rotate_keys.plan_rotation(desk.context, **options)


def keys(desk: Desk, *names: str, folder: Path | None = None) -> list[Path]:
    return [folder / f"{n}.pem" if folder and (folder / f"{n}.pem").exists() else desk.key(n) for n in names]


def rotate(desk: Desk, roots: Sequence[Path], approvers: Sequence[Path], **options: bool) -> dict[str, Any]:
    signed = rotation.signed(plan(desk, **options), roots, approvers, desk.service.settings.home)
    return ended(desk.wait(rotate_keys.start(desk.service.operations, "root-1", signed)))


def sign_with(desk: Desk, model: str, by: str, key: Path) -> None:
    proposal = propose_release(desk.context, by, model, CLASS)
    role = sign_role(proposal.release.role.encode(), key)
    envelope = sign(proposal.decision.canonical(), DECISION, key)
    approve_release(desk.context, by, proposal.release.manifest.id, envelope, role)


@on_both_databases
def test_a_lost_approver_is_replaced_and_devices_follow(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    one = desk.release("first")["release"]
    device = Device(desk, tmp_path / "device")
    assert device.told() == one

    revoke(desk, "approver-2", compromised=False)
    let_in(desk, newcomer(tmp_path, "approver-3", "approver"), "root-1", "root-2")
    attack.eligible("second", tmp_path / "m2", 2)
    error = desk.fails(lambda: sign_with(desk, "second", "approver-3", tmp_path / "approver-3.pem"))
    assert error.kind == "signer-not-enrolled"
    assert "devices do not know key" in error.what
    assert "assay key rotate" in error.do
    done = rotate(desk, keys(desk, "root-1", "root-3"), keys(desk, "approver-1", "approver-3", folder=tmp_path))
    assert done["roles"] == sorted(["root", "targets", CLASS, "collaborative-arm"])
    assert attack.audited("keys.rotate", next(e.subject for e in desk.audit() if e.action == "keys.rotate"))
    assert device.told() == one, "what was released before stays released"

    sign_with(desk, "second", "approver-1", desk.key("approver-1"))
    error = desk.fails(lambda: sign_with(desk, "second", "approver-2", desk.key("approver-2")))
    assert error.kind == "signer-not-enrolled"
    sign_with(desk, "second", "approver-3", tmp_path / "approver-3.pem")
    two = desk.promote("second")["release"]
    assert device.told() == two
    desk.context.releases.verify(desk.context.clock())


def test_the_devices_own_client_follows_and_installs_what_the_new_key_approved(attack: Attack, tmp_path: Path) -> None:
    desk, home = attack.desk, tmp_path / "arm-7"
    folder = desk.service.settings.releases
    provision(
        home,
        name="arm-7",
        device_class=CLASS,
        environment="demo",
        hardware="any",
        root=folder / "metadata" / "1.root.json",
        root_digest=desk.context.releases.root_digest(),
        source=str(folder),
    )
    arm = EdgeDevice(home)
    found = source(str(folder), arm.token())
    asked = DeviceRequest.parse((home / "enrol.json").read_bytes()).key_request()
    assert let_in(desk, asked, "approver-1").done_at is not None
    attack.eligible("first", tmp_path / "m1", 1)
    desk.release("first")
    assert pull(arm, found).number == 1
    revoke(desk, "approver-2", compromised=False)
    let_in(desk, newcomer(tmp_path, "approver-3", "approver"), "root-1", "root-2")
    rotate(desk, keys(desk, "root-1", "root-3"), keys(desk, "approver-1", "approver-3", folder=tmp_path))
    attack.eligible("second", tmp_path / "m2", 2)
    sign_with(desk, "second", "approver-1", desk.key("approver-1"))
    sign_with(desk, "second", "approver-3", tmp_path / "approver-3.pem")
    desk.promote("second")
    assert pull(arm, found).number == 2


def test_a_device_refuses_a_role_under_the_old_key(attack: Attack, tmp_path: Path) -> None:
    """Whoever has the disk and the online key puts a role in place that the lost key signed: devices keep to root."""
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    desk.release("first")
    device = Device(desk, tmp_path / "device")
    device.told()
    revoke(desk, "approver-2", compromised=False)
    let_in(desk, newcomer(tmp_path, "approver-3", "approver"), "root-1", "root-2")
    rotate(desk, keys(desk, "root-1", "root-2"), keys(desk, "approver-1", "approver-3", folder=tmp_path))
    metadata = desk.service.settings.releases / "metadata"
    version = desk.context.releases.role(CLASS).version
    path = metadata / f"{version}.{CLASS}.json"
    payload = path.read_bytes().partition(b'"signed":')[2][:-1]
    forged = [sign_role(payload, desk.key(n)) for n in ("approver-1", "approver-2")]
    listed = [{"keyid": s.keyid, "sig": s.sig} for s in forged]
    path.write_bytes(b'{"signatures":' + json.dumps(listed).encode() + b',"signed":' + payload + b"}")
    _snapshot_again(desk)
    with pytest.raises(RepositoryError, match="was signed by 1/2 keys"):
        device.told()


def _snapshot_again(desk: Desk) -> None:
    """A snapshot that pins no digest of the class's role, and its timestamp, under the online key."""
    metadata = desk.service.settings.releases / "metadata"
    online = signer(desk.context.release_key)
    stamp = Metadata[Timestamp].from_file(str(metadata / "timestamp.json"))
    number = stamp.signed.snapshot_meta.version
    snapshot = Metadata[Snapshot].from_file(str(metadata / f"{number}.snapshot.json"))
    entry = snapshot.signed.meta[f"{CLASS}.json"]
    entry.length, entry.hashes = None, None
    snapshot.signed.version = stamp.signed.snapshot_meta.version = number + 1
    stamp.signed.snapshot_meta.length, stamp.signed.snapshot_meta.hashes = None, None
    stamp.signed.version += 1
    for made, name in ((snapshot, f"{number + 1}.snapshot.json"), (stamp, "timestamp.json")):
        made.sign(online)
        made.to_file(str(metadata / name))


def test_a_new_online_key(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    one = desk.release("first")["release"]
    device = Device(desk, tmp_path / "device")
    assert device.told() == one
    let_in(desk, newcomer(tmp_path, "release-2", "release"), "approver-1", "approver-2")
    revoke(desk, "release")
    assert desk.fails(lambda: plan(desk)).kind == "signer-not-enrolled", "the service still holds the old one"
    desk.context.release_key.unlink()
    desk.context.release_key.write_bytes((tmp_path / "release-2.pem").read_bytes())
    desk.context.release_key.chmod(0o600)
    done = rotate(desk, keys(desk, "root-1", "root-2"), keys(desk, "approver-1", "approver-2"))
    assert done["roles"] == ["root", "targets"]
    publish(desk.context, renew=True)
    assert device.told() == one


def test_a_root_key_is_replaced_and_expiries_move_on(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    device = Device(desk, tmp_path / "device")
    assert device.told() is None
    revoke(desk, "root-3", compromised=False)
    assert desk.fails(lambda: plan(desk)).kind == "approvals-missing", "two of two is not two of three"
    let_in(desk, newcomer(tmp_path, "root-4", "root"), "approver-1", "approver-2")
    rotate(desk, keys(desk, "root-1", "root-2"), [])
    assert device.told() is None
    assert desk.fails(lambda: plan(desk)).kind == "release-outdated", "nothing to rotate"
    before = desk.context.releases.role(CLASS).version
    rotate(desk, keys(desk, "root-1", "root-4", folder=tmp_path), keys(desk, "approver-1", "approver-2"), renew=True)
    assert desk.context.releases.role(CLASS).version == before + 1
    assert device.told() is None


def _signed(desk: Desk, planned: RotationPlan, roots: Sequence[Path], approvers: Sequence[Path]) -> SignRotation:
    return SignRotation(
        roles=planned.roles,
        signatures={
            role: tuple(sign_role(text.encode(), k) for k in (roots if role == "root" else approvers))
            for role, text in planned.roles.items()
        },
    )


def test_too_few_or_wrong_signatures_change_nothing(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    stray = tmp_path / "stray.pem"
    generate(stray)
    planned = plan(desk, renew=True)
    roots, approvers = keys(desk, "root-1", "root-2"), keys(desk, "approver-1", "approver-2")
    before = desk.context.releases.keys()
    for r, a, kind in (
        (roots[:1], approvers, "approvals-missing"),
        ([roots[0], roots[0]], approvers, "separation-of-duties"),
        (approvers, approvers, "signer-not-enrolled"),
        (roots, approvers[:1], "approvals-missing"),
        (roots, [approvers[0], stray], "signer-not-enrolled"),
        (roots, roots, "signer-not-enrolled"),
    ):
        signed = _signed(desk, planned, r, a)
        operation = rotate_keys.start(desk.service.operations, "root-1", signed)
        assert desk.fails(lambda operation=operation: ended(desk.wait(operation))).kind == kind
        assert desk.context.releases.keys() == before
        assert desk.context.releases.role(CLASS).version == 1
        assert attack.audited("rotate.failed", operation)


def test_a_rotation_to_a_key_that_nobody_enrolled(attack: Attack, tmp_path: Path) -> None:
    """Well signed by root and approvers, and still refused: the service puts only enrolled keys in place."""
    desk = attack.desk
    public = generate(tmp_path / "stray.pem")
    wanted = desk.context.releases.keys().model_copy(
        update={"approvers": (*desk.context.releases.keys().approvers, public)}
    )
    roles = desk.context.releases.rotation(wanted, desk.context.clock())
    planned = plan(desk, renew=True).model_copy(update={"roles": {n: p.decode() for n, p in roles.items()}})
    with pytest.raises(AssayError) as refused:
        rotation.check(planned)
    assert refused.value.kind == "trust-invalid", "who signs sees it"
    signed = _signed(desk, planned, keys(desk, "root-1", "root-2"), keys(desk, "approver-1", "approver-2"))
    error = attack.refused("trust-invalid", lambda: rotate_keys.start(desk.service.operations, "root-1", signed))
    assert "plan the rotation again" in error.do


@pytest.mark.parametrize("boundary", ["_apply", "_apply, unsaved", "record"])
def test_killed_in_between_the_rotation_holds_and_is_recorded(house: House, tmp_path: Path, boundary: str) -> None:
    with house.open() as desk:
        planned = plan(desk, renew=True)
        signed = _signed(desk, planned, keys(desk, "root-1", "root-2"), keys(desk, "approver-1", "approver-2"))
        crashed = desk.restarted(crash_at("rotate", boundary))
        operation = rotate_keys.start(crashed.service.operations, "root-1", signed)
        with pytest.raises(Crash):
            crashed.wait(operation)
        desk.settle()
        assert desk.wait(operation).state == "done"
        assert desk.context.releases.role(CLASS).version == 2
        assert [e.action for e in desk.audit()].count("keys.rotate") == 1
