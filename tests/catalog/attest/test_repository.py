"""A release repository: begun whole, published in one step, never forgetting, and verified to the last byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.commit import Change, commit
from catalog.attest.keys import generate, keyid
from catalog.attest.keyset import signed_file
from catalog.attest.online import Online
from catalog.attest.published import read_standing
from catalog.attest.repository import ReleaseRepository
from catalog.attest.roles import with_release
from catalog.domain.audit import AuditHead
from catalog.domain.base import canonical, file_sha256, sha256
from catalog.domain.policy import SHIPPED_CLASSES
from catalog.domain.release import ReleaseManifest, RoleSignature
from catalog.errors import AssayError, Damaged
from catalog.policy.loader import load
from catalog.policy.shipped import shipped_policies
from tests.support.releases import APPROVERS, CLASS, LEASE, NOW, OTHER, ROOTS, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office.begin(tmp_path / "office")


def kind_of(act: Callable[[], Any]) -> str:
    with pytest.raises(AssayError) as error:
        act()
    return error.value.kind


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): file_sha256(p) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_the_first_set_is_whole_and_empty(office: Office) -> None:
    repository = office.repository
    repository.verify(NOW)
    first = repository.folder / "metadata" / "1.root.json"
    assert repository.root_digest() == sha256(first.read_bytes())
    assert (repository.role(CLASS).version, repository.role(CLASS).targets) == (1, {})
    assert repository.role(CLASS).expires == NOW + timedelta(days=365)
    assert repository.keys().device_classes == (CLASS, OTHER)
    assert not [path for path in repository.folder.parent.iterdir() if path.name not in {"keys", "releases"}]


def test_the_shipped_classes_are_those_of_the_shipped_policies() -> None:
    policies = [load(text) for _, text in shipped_policies()]
    assert tuple(policy.device_class for policy in policies if policy.device_class) == SHIPPED_CLASSES


def test_a_repository_is_begun_once(office: Office) -> None:
    before = contents(office.repository.folder)

    def begin() -> None:
        ReleaseRepository.begin(
            office.repository.folder,
            root_keys=office.all(ROOTS),
            approver_keys=office.all(APPROVERS),
            online_key=office.key("release"),
            device_classes=(CLASS,),
            at=NOW,
            lease_hours=LEASE,
        )

    assert kind_of(begin) == "already-exists"
    assert contents(office.repository.folder) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"root_keys": ("root-1", "root-2")},
        {"root_keys": ("root-1", "root-2", "root-2")},
        {"approver_keys": ("approver-1",)},
        {"approver_keys": ("approver-1", "root-1")},
        {"online_key": ("approver-1",)},
        {"device_classes": ()},
        {"device_classes": ("current",)},
        {"device_classes": ("targets",)},
        {"device_classes": ("arm", "arm")},
        {"device_classes": ("*",)},
    ],
)
def test_a_repository_whose_keys_or_classes_are_unfit_is_not_begun(
    tmp_path: Path, wrong: dict[str, tuple[str, ...]]
) -> None:
    office = Office(tmp_path)
    (tmp_path / "keys").mkdir()
    for name in (*ROOTS, *APPROVERS, "release"):
        generate(office.key(name))
    keys = {"root_keys": ROOTS, "approver_keys": APPROVERS, "online_key": ("release",)} | wrong

    def begin() -> None:
        ReleaseRepository.begin(
            office.repository.folder,
            root_keys=office.all(keys["root_keys"]),
            approver_keys=office.all(keys["approver_keys"]),
            online_key=office.key(keys["online_key"][0]),
            device_classes=keys.get("device_classes", (CLASS,)),
            at=NOW,
            lease_hours=LEASE,
        )

    assert kind_of(begin) == "document-invalid"
    assert not office.repository.folder.exists()


def test_no_repository_says_so(tmp_path: Path) -> None:
    repository = ReleaseRepository(tmp_path)
    assert not repository.exists
    assert kind_of(repository.root_digest) == "home-not-initialised"
    assert kind_of(lambda: repository.role(CLASS)) == "home-not-initialised"
    assert kind_of(lambda: repository.verify(NOW)) == "home-not-initialised"
    assert not list(tmp_path.iterdir())


def test_the_same_again_is_nothing(office: Office) -> None:
    manifest = office.manifest(1)
    version, payload = office.repository.proposed(manifest, NOW)
    signed = office.signed(payload)

    def publish(hours: float) -> dict[str, int]:
        return office.repository.publish(
            roles={CLASS: (payload, signed)},
            manifests=[manifest],
            current=[office.choice(manifest)],
            denied=office.deny(),
            online_key=office.key("release"),
            at=NOW,
            expires=NOW + timedelta(hours=hours),
        ).versions

    versions = publish(LEASE)
    before = contents(office.repository.folder)
    assert version == versions[CLASS] == 2
    assert publish(LEASE) == publish(LEASE + 1) == versions
    assert contents(office.repository.folder) == before


def test_new_documents_renew_the_lease_and_leave_the_rest(office: Office) -> None:
    manifest = office.manifest(1)
    before = office.publish(manifest, choices=[office.choice(manifest)])
    later = office.later(12)
    later.seq = 2
    after = later.publish(choices=[later.choice(manifest)])
    rose = {"timestamp", "snapshot", "current"}
    assert after == {role: version + (role in rose) for role, version in before.items()}
    office.repository.verify(NOW + timedelta(hours=30))


def test_what_lapsed_is_signed_again_even_when_it_says_the_same(office: Office) -> None:
    documents = {"current": [office.choice(None)], "denied": office.deny()}
    office.publish(choices=documents["current"])
    late = NOW + timedelta(hours=LEASE)
    assert kind_of(lambda: office.repository.verify(late)) == "release-outdated"
    office.repository.publish(
        roles={},
        manifests=[],
        online_key=office.key("release"),
        at=late,
        expires=late + timedelta(hours=1),
        **documents,  # type: ignore[arg-type]
    )
    office.repository.verify(late)


def test_what_nobody_can_still_read_goes_away(office: Office) -> None:
    for number in range(1, 8):
        office.seq += 1
        manifest = office.manifest(number)
        office.publish(manifest, choices=[office.choice(manifest)])
    folder = office.repository.folder
    assert sorted(path.name for path in (folder / "metadata").glob(f"*.{CLASS}.json")) == [
        f"7.{CLASS}.json",
        f"8.{CLASS}.json",
    ]
    assert len(list((folder / "targets" / "current").iterdir())) == len(list((folder / "targets").glob("*.json"))) == 2
    assert len(list((folder / "targets" / CLASS).iterdir())) == 7
    office.repository.verify(NOW)


def test_signatures_below_the_threshold_publish_nothing(office: Office) -> None:
    manifest, before = office.manifest(1), contents(office.repository.folder)
    for names, kind in (
        (("approver-1",), "approvals-missing"),
        (("approver-1", "approver-1"), "separation-of-duties"),
        (("approver-1", "release"), "signer-not-enrolled"),
        (("approver-1", "root-1"), "signer-not-enrolled"),
        ((), "approvals-missing"),
    ):
        assert kind_of(lambda names=names: office.publish(manifest, names=names)) == kind
    assert contents(office.repository.folder) == before


def test_a_signature_over_other_bytes_publishes_nothing(office: Office) -> None:
    first, second = office.manifest(1), office.manifest(2)
    _, payload = office.repository.proposed(first, NOW)
    _, other = office.repository.proposed(second, NOW)

    def publish() -> None:
        office.repository.publish(
            roles={CLASS: (payload, [*office.signed(payload, APPROVERS[:1]), *office.signed(other, APPROVERS[1:])])},
            manifests=[first],
            current=[],
            denied=office.deny(),
            online_key=office.key("release"),
            at=NOW,
            expires=NOW + timedelta(hours=1),
        )

    assert kind_of(publish) == "signature-invalid"
    assert office.repository.role(CLASS).version == 1


def test_only_the_online_key_publishes(office: Office) -> None:
    def publish(key: str) -> None:
        office.repository.publish(
            roles={},
            manifests=[],
            current=[],
            denied=office.deny(),
            online_key=office.key(key),
            at=NOW,
            expires=NOW + timedelta(hours=1),
        )

    for key in ("approver-1", "root-1"):
        assert kind_of(lambda key=key: publish(key)) == "signer-not-enrolled"


def test_two_proposals_of_one_version_cannot_both_be_published(office: Office) -> None:
    first, second = office.manifest(1), office.manifest(2)
    _, other = office.repository.proposed(second, NOW)
    office.publish(first)
    assert kind_of(lambda: office.repository.verify_role(CLASS, other, office.signed(other))) == "release-outdated"
    _, payload = office.repository.proposed(second, NOW)
    assert len(office.repository.verify_role(CLASS, payload, office.signed(payload))) == 2
    assert kind_of(lambda: office.repository.proposed(first, NOW)) == "release-outdated"


def test_what_two_approvers_signed_is_still_one_release_more_than_what_is_published(office: Office) -> None:
    first, second, third = (office.manifest(number) for number in (1, 2, 3))
    _, outdated = office.repository.proposed(second, NOW)
    office.publish(first)
    role = office.repository.role(CLASS)
    two_more = with_release(with_release(role, second, NOW), third, NOW).model_copy(update={"version": 3})
    instead = with_release(role.model_copy(update={"targets": {}}), second, NOW)
    expired = with_release(role, second, NOW).model_copy(update={"expires": NOW})
    before = contents(office.repository.folder)
    for payload, kind in (
        (outdated, "release-outdated"),
        (two_more.canonical(), "release-invalid"),
        (instead.canonical(), "release-invalid"),
        (expired.canonical(), "release-invalid"),
    ):
        signed = office.signed(payload)

        def publish(payload: bytes = payload, signed: list[RoleSignature] = signed) -> None:
            office.repository.publish(
                roles={CLASS: (payload, signed)},
                manifests=[first, second],
                current=[],
                denied=office.deny(),
                online_key=office.key("release"),
                at=NOW,
                expires=NOW + timedelta(hours=1),
            )

        assert kind_of(publish) == kind
    assert contents(office.repository.folder) == before


def test_a_role_that_expired_before_it_was_published_is_proposed_again(office: Office) -> None:
    manifest = office.manifest(1)
    _, payload = office.repository.proposed(manifest, NOW)
    late = NOW + timedelta(days=365)

    def publish() -> None:
        office.repository.publish(
            roles={CLASS: (payload, office.signed(payload))},
            manifests=[manifest],
            current=[],
            denied=office.deny(),
            online_key=office.key("release"),
            at=late,
            expires=late + timedelta(hours=1),
        )

    assert kind_of(publish) == "release-outdated"


def test_a_manifest_goes_out_only_as_it_is_listed_and_with_its_files(office: Office) -> None:
    manifest = office.manifest(1)
    blob = office.repository.folder / "targets" / "blobs" / manifest.files[0].sha256.removeprefix("sha256:")
    content = blob.read_bytes()
    blob.unlink()
    assert kind_of(lambda: office.publish(manifest)) == "release-invalid"
    blob.write_bytes(content[:-1] + b"!")
    assert kind_of(lambda: office.publish(manifest)) == "digest-mismatch"
    office.repository.stage(manifest.files[0].sha256, content)
    _, payload = office.repository.proposed(manifest, NOW)

    def publish(*manifests: ReleaseManifest) -> None:
        office.repository.publish(
            roles={CLASS: (payload, office.signed(payload))},
            manifests=manifests,
            current=[],
            denied=office.deny(),
            online_key=office.key("release"),
            at=NOW,
            expires=NOW + timedelta(hours=1),
        )

    assert kind_of(publish) == "release-invalid"
    assert kind_of(lambda: publish(manifest.model_copy(update={"hardware": "other"}))) == "release-invalid"
    assert office.repository.role(CLASS).version == 1
    publish(manifest)
    assert office.repository.role(CLASS).targets[manifest.path].custom.release == manifest.id


def test_only_a_listed_release_can_be_chosen_and_no_denied_one(office: Office) -> None:
    first, second = office.manifest(1), office.manifest(2)
    office.publish(first)
    unlisted, listed = office.choice(second), office.choice(first)
    assert kind_of(lambda: office.publish(choices=[unlisted])) == "release-invalid"
    assert kind_of(lambda: office.publish(choices=[office.choice(first, CLASS, second.id)])) == "release-invalid"
    assert kind_of(lambda: office.publish(choices=[office.choice(None, CLASS, first.id)])) == "release-invalid"
    assert kind_of(lambda: office.publish(choices=[office.choice(first, OTHER)])) == "release-invalid"
    assert kind_of(lambda: office.publish(choices=[office.choice(None, "unknown")])) == "release-invalid"
    assert kind_of(lambda: office.publish(choices=[listed, listed])) == "release-invalid"
    elsewhere = listed.model_copy(update={"environment": "factory"})
    assert kind_of(lambda: office.publish(choices=[elsewhere])) == "release-invalid"
    assert kind_of(lambda: office.publish(choices=[listed], denied=[first])) == "release-denied"
    assert office.repository.said()[0] == {}
    office.publish(choices=[listed])
    assert office.repository.said()[0] == {CLASS: listed}


def test_the_online_key_grants_no_longer_lease_than_the_approvers_signed(office: Office) -> None:
    short = office.manifest(1, lease_hours=LEASE - 1)
    assert kind_of(lambda: office.publish(short, choices=[office.choice(short)])) == "release-invalid"
    assert office.repository.role(CLASS).version == 1


def test_a_denial_is_never_forgotten(office: Office) -> None:
    manifest = office.manifest(1)
    office.publish(manifest, denied=[manifest])
    office.seq = 2
    assert kind_of(office.publish) == "release-denied"
    assert office.publish(denied=[manifest])["timestamp"] == 3


def test_records_restored_from_yesterday_publish_nothing(office: Office) -> None:
    def publish(**changed: Any) -> str:
        return kind_of(
            lambda: office.repository.publish(
                roles={},
                manifests=[],
                current=[],
                denied=office.deny().model_copy(update=changed),
                online_key=office.key("release"),
                at=NOW,
                expires=NOW + timedelta(hours=1),
            )
        )

    office.seq = 5
    first = office.deny().model_copy(update={"epoch": 3})
    office.repository.publish(
        roles={},
        manifests=[],
        current=[],
        denied=first,
        online_key=office.key("release"),
        at=NOW,
        expires=NOW + timedelta(hours=1),
    )
    before = contents(office.repository.folder)
    assert publish(audit_head=AuditHead(size=4, root=sha256(b"4")), epoch=3) == "release-outdated"
    assert publish(audit_head=AuditHead(size=6, root=sha256(b"6")), epoch=2) == "release-outdated"
    assert publish(audit_head=AuditHead(size=5, root=sha256(b"another log")), epoch=3) == "audit-damaged"
    assert contents(office.repository.folder) == before


def test_staging_twice_is_once_and_other_bytes_are_refused(office: Office) -> None:
    digest = sha256(b"weights")
    office.repository.stage(digest, b"weights")
    office.repository.stage(digest, b"weights")
    blob = office.repository.folder / "targets" / "blobs" / digest.removeprefix("sha256:")
    assert kind_of(lambda: office.repository.stage(digest, b"others")) == "digest-mismatch"
    blob.write_bytes(b"weightz")
    office.repository.stage(digest, b"weights")
    assert blob.read_bytes() == b"weights"


def test_every_changed_byte_is_found_and_named(office: Office) -> None:
    manifest = office.manifest(1)
    office.publish(manifest, choices=[office.choice(manifest)])
    office.repository.verify(NOW)
    kept = {"1.snapshot.json", "1.current.json", f"1.{CLASS}.json"}  # of the publication before, for who reads it still
    files = [p for p in office.repository.folder.rglob("*") if p.is_file() and p.name not in {".lock"} | kept]
    assert len(files) == 7 + 2 + 1 + 1
    for path in files:
        good = path.read_bytes()
        for bad in (good[:-1], good[:-2] + bytes([good[-2] ^ 1]) + good[-1:], None):
            path.unlink() if bad is None else path.write_bytes(bad)
            with pytest.raises(AssayError) as error:
                office.repository.verify(NOW)
            if bad is not None or path.name != "1.root.json":
                assert (error.value.kind, Path(error.value.where).name) == ("repository-damaged", path.name), error
            path.write_bytes(good)
    office.repository.verify(NOW)


def test_a_published_role_is_not_built_upon_without_the_approvers(office: Office) -> None:
    """Whoever holds the online key can name any file in a snapshot; approvers must not be led to sign it onward."""
    evil = office.manifest(1)
    _, payload = office.repository.proposed(evil, NOW)
    signatures = {s.keyid: s.sig for s in office.signed(payload, APPROVERS[:1])}
    standing = read_standing(office.repository.folder)
    online = Online.load(office.key("release"), standing.keys)
    smuggled = Change({CLASS: (2, signed_file(payload, signatures))})
    commit(office.repository.folder, standing, smuggled, online, NOW + timedelta(hours=LEASE))
    assert kind_of(lambda: office.repository.role(CLASS)) == "repository-damaged"
    assert kind_of(lambda: office.repository.proposed(office.manifest(2), NOW)) == "repository-damaged"
    assert kind_of(lambda: office.repository.verify(NOW)) == "repository-damaged"


def test_a_snapshot_names_the_delegated_roles_and_no_other(office: Office) -> None:
    standing = read_standing(office.repository.folder)
    online = Online.load(office.key("release"), standing.keys)
    role = signed_file(standing.class_role(CLASS).canonical(), {})
    with pytest.raises(Damaged, match="exactly the delegated roles"):
        commit(office.repository.folder, standing, Change({"other": (1, role)}), online, NOW + timedelta(hours=1))


def test_a_root_that_lists_one_key_under_two_ids_is_refused(office: Office) -> None:
    """Two of the keepers could sign such a root once; from then on one of them would be two."""
    metadata = office.repository.folder / "metadata"
    root = json.loads((metadata / "1.root.json").read_bytes())["signed"]
    identity = keyid(office.public("root-1"))
    root["keys"]["0" * 64] = root["keys"][identity]
    root["roles"]["root"]["keyids"].append("0" * 64)
    payload = canonical(root | {"version": 2})
    signatures = {s.keyid: s.sig for s in office.signed(payload, ROOTS[:2])}
    (metadata / "2.root.json").write_bytes(signed_file(payload, signatures))
    with pytest.raises(
        Damaged, match=r"2\.root\.json: key 0000000000000000… is listed under an id that is not its own"
    ):
        office.repository.role(CLASS)


def test_a_copy_is_refused_where_something_else_is(office: Office, tmp_path: Path) -> None:
    other = Office.begin(tmp_path / "other")
    before = contents(other.repository.folder)
    assert kind_of(lambda: office.repository.copy(other.repository.folder)) == "already-exists"
    assert contents(other.repository.folder) == before
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "photo.jpg").touch()
    assert kind_of(lambda: office.repository.copy(tmp_path / "stick")) == "already-exists"


def test_a_copy_verifies_by_itself(office: Office, tmp_path: Path) -> None:
    manifest = office.manifest(1)
    office.publish(manifest, choices=[office.choice(manifest)])
    office.repository.copy(tmp_path / "stick")
    copied = ReleaseRepository(tmp_path / "stick")
    copied.verify(NOW)
    assert copied.root_digest() == office.repository.root_digest()
    assert copied.said() == office.repository.said()
