"""Keys are replaced and classes added by those who hold the keys; a device with the first root follows to the newest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.ceremony import signers
from catalog.attest.keys import generate, keyid
from catalog.attest.published import read_standing
from catalog.attest.repository import Keyset
from catalog.attest.roles import ClassRole, Listed
from catalog.errors import AssayError
from tests.support.device_client import DeviceClient, served
from tests.support.releases import APPROVERS, CLASS, LEASE, OTHER, ROOTS, Office

NEW = ("root-4", "root-5", "root-6", "approver-3", "approver-4", "release-2")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office.begin(tmp_path / "office", at=datetime.now(UTC))
    for name in NEW:
        generate(office.key(name))
    first = office.manifest(1)
    office.publish(first, choices=[office.choice(first)])
    return office


def keyset(
    office: Office,
    root: Sequence[str] = ROOTS,
    approvers: Sequence[str] = APPROVERS,
    online: str = "release",
    classes: Sequence[str] = (CLASS, OTHER),
) -> Keyset:
    return Keyset(
        root=tuple(office.public(name) for name in root),
        approvers=tuple(office.public(name) for name in approvers),
        online=office.public(online),
        device_classes=tuple(classes),
    )


def apply(
    office: Office,
    payloads: Mapping[str, bytes],
    root: Sequence[str] = ROOTS[:2],
    approvers: Sequence[str] = APPROVERS,
    online: str = "release",
) -> dict[str, int]:
    signatures = {r: office.signed(data, root if r == "root" else approvers) for r, data in payloads.items()}
    expires = office.at + timedelta(hours=LEASE)
    key = office.key(online)
    return office.repository.apply(payloads, signatures, online_key=key, at=office.at, expires=expires).versions


def kind_of(act: Callable[[], Any]) -> str:
    with pytest.raises(AssayError) as error:
        act()
    return error.value.kind


def rotate_everything(office: Office) -> list[str]:
    """Each act once, in turn; what each of them signed anew."""
    acts: list[tuple[Keyset, dict[str, Any]]] = [
        (keyset(office, approvers=("approver-1", "approver-3")), {"approvers": ("approver-1", "approver-3")}),
        (
            keyset(office, approvers=("approver-1", "approver-3"), online="release-2"),
            {"approvers": ("approver-1", "approver-3"), "online": "release-2"},
        ),
        (
            keyset(office, ("root-4", "root-2", "root-3"), ("approver-1", "approver-3"), "release-2"),
            {"root": ("root-2", "root-3"), "approvers": (), "online": "release-2"},
        ),
        (
            keyset(
                office, ("root-4", "root-2", "root-3"), ("approver-1", "approver-3"), "release-2", (CLASS, OTHER, "agv")
            ),
            {"approvers": ("approver-1", "approver-3"), "online": "release-2"},
        ),
    ]
    said = []
    for wanted, who in acts:
        payloads = office.repository.rotation(wanted, office.at)
        apply(office, payloads, **who)
        office.repository.verify(office.at)
        assert {*office.repository.keys().root} == {*wanted.root}
        assert {*office.repository.keys().approvers} == {*wanted.approvers}
        said.append(" ".join(sorted(payloads)))
    return said


def test_each_act_signs_anew_what_it_makes_void_and_nothing_else(office: Office) -> None:
    assert rotate_everything(office) == [
        f"{OTHER} {CLASS} root targets",
        "root targets",
        "root",
        "agv targets",
    ]
    assert office.repository.keys().device_classes == (CLASS, OTHER, "agv")


@pytest.mark.parametrize("over_http", [False, True])
def test_a_device_with_the_first_root_follows_to_the_newest(office: Office, tmp_path: Path, over_http: bool) -> None:
    folder = office.repository.folder
    root, (listed,) = (folder / "metadata" / "1.root.json").read_bytes(), office.repository.role(CLASS).targets
    with served(folder) as address:
        base = address if over_http else f"file://{folder}"
        awake, asleep = DeviceClient(tmp_path / "awake", base, root), DeviceClient(tmp_path / "asleep", base, root)
        assert awake.get(listed) == asleep.get(listed) is not None
        rotate_everything(office)
        office.seq = 2
        second = office.manifest(2)
        _, payload = office.repository.proposed(second, office.at)
        office.repository.publish(
            roles={CLASS: (payload, office.signed(payload, ("approver-1", "approver-3")))},
            manifests=[second],
            current=[office.choice(second)],
            denied=office.deny(),
            online_key=office.key("release-2"),
            at=office.at,
            expires=office.at + timedelta(hours=1),
        )
        new = DeviceClient(tmp_path / "new", base, root)
        for device in (awake, asleep, new):
            assert device.get(second.path) == second.canonical()
            assert device.get(f"current/{CLASS}.json") == office.choice(second).canonical()
            assert device.get("agv/none.json") is None
            assert device.versions()["root"] == 4


def test_every_device_follows_every_step(office: Office, tmp_path: Path) -> None:
    device = DeviceClient.over_folder(tmp_path / "device", office.repository.folder)
    device.get(f"{CLASS}/none.json")
    before = device.versions()
    wanted = keyset(office, approvers=("approver-1", "approver-3"), online="release-2")
    payloads = office.repository.rotation(wanted, office.at)
    apply(office, payloads, approvers=("approver-1", "approver-3"), online="release-2")
    device.get(f"{CLASS}/none.json")
    after = device.versions()
    assert (before["root"], after["root"]) == (1, 2)
    assert all(after[role] > version for role, version in before.items())


def test_the_replaced_keys_sign_nothing_more(office: Office) -> None:
    wanted = keyset(office, approvers=("approver-1", "approver-3"), online="release-2")
    apply(
        office,
        office.repository.rotation(wanted, office.at),
        approvers=("approver-1", "approver-3"),
        online="release-2",
    )
    assert kind_of(office.publish) == "signer-not-enrolled"
    second = office.manifest(2)
    _, payload = office.repository.proposed(second, office.at)
    assert (
        kind_of(lambda: office.repository.verify_role(CLASS, payload, office.signed(payload))) == "signer-not-enrolled"
    )
    signed = office.signed(payload, ("approver-1", "approver-3"))
    assert len(office.repository.verify_role(CLASS, payload, signed)) == 2


def test_what_was_proposed_before_a_rotation_is_outdated(office: Office) -> None:
    _, payload = office.repository.proposed(office.manifest(2), office.at)
    wanted = keyset(office, approvers=("approver-1", "approver-3"))
    apply(office, office.repository.rotation(wanted, office.at), approvers=("approver-1", "approver-3"))
    signed = office.signed(payload, ("approver-1", "approver-3"))
    assert kind_of(lambda: office.repository.verify_role(CLASS, payload, signed)) == "release-outdated"


def test_the_same_rotation_again_is_nothing(office: Office) -> None:
    wanted = keyset(office, ("root-1", "root-2", "root-4"))
    payloads = office.repository.rotation(wanted, office.at)
    assert not office.repository.holds(payloads)
    versions = apply(office, payloads)
    assert apply(office, payloads) == versions
    assert office.repository.holds(payloads)
    assert kind_of(lambda: office.repository.rotation(wanted, office.at)) == "release-outdated"


def test_expiries_move_on(office: Office) -> None:
    office.at += timedelta(days=300)
    before = read_standing(office.repository.folder).expiries()
    payloads = office.repository.rotation(office.repository.keys(), office.at, renew=True)
    assert set(payloads) == {"root", "targets", CLASS, OTHER}
    apply(office, payloads)
    after = read_standing(office.repository.folder).expiries()
    for role in payloads:
        assert after[role] - before[role] >= timedelta(days=299), role
    assert len(office.repository.role(CLASS).targets) == 1


def test_a_class_never_goes(office: Office) -> None:
    wanted = keyset(office, classes=(CLASS,))
    assert kind_of(lambda: office.repository.rotation(wanted, office.at)) == "no-release-allowed"


ALL_NEW = {"root": ("root-4", "root-5", "root-6"), "approvers": ("approver-3", "approver-4"), "online": "release-2"}


@pytest.mark.parametrize(
    ("root", "approvers", "kind"),
    [
        (("root-4", "root-5"), ("approver-3", "approver-4"), "approvals-missing"),
        (("root-1", "root-2"), ("approver-3", "approver-4"), "approvals-missing"),
        (("root-1", "root-4", "root-5"), ("approver-3", "approver-4"), "approvals-missing"),
        (("root-1", "root-2", "root-4"), ("approver-3", "approver-4"), "approvals-missing"),
        (("root-1", "root-2", "root-4", "root-5"), ("approver-3",), "approvals-missing"),
        (("root-1", "root-2", "root-4", "root-5"), ("approver-1", "approver-2"), "signer-not-enrolled"),
        (("root-1", "root-1", "root-4", "root-5"), ("approver-3", "approver-4"), "separation-of-duties"),
        (("root-1", "root-2", "root-4", "root-5", "approver-1"), ("approver-3", "approver-4"), "signer-not-enrolled"),
    ],
)
def test_too_few_or_wrong_hands_change_nothing(
    office: Office, root: tuple[str, ...], approvers: tuple[str, ...], kind: str
) -> None:
    before = office.repository.keys()
    payloads = office.repository.rotation(keyset(office, **ALL_NEW), office.at)
    assert kind_of(lambda: apply(office, payloads, root, approvers, "release-2")) == kind
    assert office.repository.keys() == before
    office.repository.verify(office.at)
    four = ("root-1", "root-2", "root-4", "root-5")
    assert kind_of(lambda: apply(office, payloads, four, ("approver-3", "approver-4"))) == "signer-not-enrolled"
    office.repository.verify(office.at)
    apply(office, payloads, four, ("approver-3", "approver-4"), "release-2")
    office.repository.verify(office.at)


def test_who_must_sign_is_said(office: Office) -> None:
    payloads = office.repository.rotation(keyset(office, **ALL_NEW), office.at)
    groups = signers(read_standing(office.repository.folder), payloads)
    assert [{*group} for group in groups["root"]] == [
        {keyid(office.public(name)) for name in ROOTS},
        {keyid(office.public(name)) for name in ALL_NEW["root"]},
    ]
    assert [{*group} for group in groups[CLASS]] == [{keyid(office.public(n)) for n in ALL_NEW["approvers"]}]


def _smuggled(office: Office, payloads: dict[str, bytes]) -> None:
    evil = office.manifest(9)
    role = ClassRole.parse(payloads[CLASS])
    payloads[CLASS] = role.model_copy(
        update={"targets": {**role.targets, evil.path: Listed.manifest(evil)}}
    ).canonical()


def _dropped(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads[CLASS] = ClassRole.parse(payloads[CLASS]).model_copy(update={"targets": {}}).canonical()


def _threshold(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["root"] = payloads["root"].replace(b'"threshold":2', b'"threshold":1', 1)


def _delegation(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["targets"] = payloads["targets"].replace(b'"current/*"', b'"*/*"')


def _version(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["root"] = payloads["root"].replace(b'"version":2', b'"version":3')


def _expired(_office: Office, payloads: dict[str, bytes]) -> None:
    role = ClassRole.parse(payloads[CLASS])
    payloads[CLASS] = role.model_copy(update={"expires": datetime(2020, 1, 1, tzinfo=UTC)}).canonical()


def _whitespace(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["root"] = payloads["root"].replace(b'","', b'", "', 1)


def _missing(_office: Office, payloads: dict[str, bytes]) -> None:
    del payloads[CLASS]


def _unknown(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["snapshot"] = payloads["root"]


def _garbage(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["root"] = b"[]"


def _swapped(_office: Office, payloads: dict[str, bytes]) -> None:
    payloads["root"] = payloads["targets"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_smuggled, "trust-invalid"),
        (_dropped, "trust-invalid"),
        (_threshold, "trust-invalid"),
        (_delegation, "trust-invalid"),
        (_version, "release-outdated"),
        (_expired, "trust-invalid"),
        (_whitespace, "trust-invalid"),
        (_missing, "trust-invalid"),
        (_unknown, "trust-invalid"),
        (_garbage, "trust-invalid"),
        (_swapped, "trust-invalid"),
    ],
)
def test_nothing_rides_along_however_many_sign_it(
    office: Office, change: Callable[[Office, dict[str, bytes]], None], kind: str
) -> None:
    before = office.repository.keys()
    payloads = office.repository.rotation(keyset(office, **ALL_NEW), office.at)
    change(office, payloads)
    root = ("root-1", "root-2", "root-4", "root-5")
    assert kind_of(lambda: apply(office, payloads, root, ("approver-3", "approver-4"), "release-2")) == kind
    assert office.repository.keys() == before
    office.repository.verify(office.at)


def test_one_key_never_has_two_parts(office: Office) -> None:
    with pytest.raises(ValueError, match="two parts"):
        keyset(office, root=("root-1", "root-2", "approver-1"))
