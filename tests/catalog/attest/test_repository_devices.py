"""A device provisioned with the first root reads what is published, and nothing else: python-tuf's own client."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadError, RepositoryError

from tests.support.device_client import DeviceClient, served
from tests.support.releases import CLASS, OTHER, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office.begin(tmp_path / "office", at=datetime.now(UTC))


def device_of(office: Office, home: Path) -> DeviceClient:
    return DeviceClient.over_folder(home, office.repository.folder)


def test_a_device_finds_the_choice_the_manifest_and_the_denials(office: Office, tmp_path: Path) -> None:
    first, second = office.manifest(1), office.manifest(2, OTHER)
    office.publish(first, second, choices=[office.choice(first), office.choice(None, OTHER)])
    device = device_of(office, tmp_path / "device")
    assert device.get(f"current/{CLASS}.json") == office.choice(first).canonical()
    assert device.get(f"current/{OTHER}.json") == office.choice(None, OTHER).canonical()
    assert device.get("denied.json") == office.deny().canonical()
    assert device.get(first.path) == first.canonical()
    assert device.get(second.path) == second.canonical()
    info = device.updater().get_targetinfo(first.path)
    assert info is not None
    assert info.custom == first.custom()
    assert device.get(f"{CLASS}/nobody.json") is None
    assert device.get(f"{OTHER}/{first.id}.json") is None


def test_it_does_so_over_http(office: Office, tmp_path: Path) -> None:
    manifest = office.manifest(1)
    office.publish(manifest, choices=[office.choice(manifest)])
    with served(office.repository.folder) as address:
        root = (office.repository.folder / "metadata" / "1.root.json").read_bytes()
        device = DeviceClient(tmp_path / "device", address, root)
        assert device.get(manifest.path) == manifest.canonical()
        office.seq = 2
        office.publish(choices=[office.choice(None)], denied=[manifest])
        assert device.get("denied.json") == office.deny(manifest).canonical()
        assert device.get(f"current/{CLASS}.json") == office.choice(None).canonical()


def test_a_device_that_slept_through_many_publications_follows(office: Office, tmp_path: Path) -> None:
    device = device_of(office, tmp_path / "device")
    device.updater()
    manifests = [office.manifest(number) for number in range(1, 6)]
    for manifest in manifests:
        office.seq += 1
        office.publish(manifest, choices=[office.choice(manifest)])
    assert [device.get(manifest.path) for manifest in manifests] == [manifest.canonical() for manifest in manifests]
    assert device.versions() | {"root": 1} == {
        "root": 1,
        "timestamp": 6,
        "snapshot": 6,
        "targets": 1,
        CLASS: 6,
    }


def test_an_older_set_is_refused_by_a_device_that_saw_a_newer_one(office: Office, tmp_path: Path) -> None:
    old = tmp_path / "old"
    office.repository.copy(old)
    manifest = office.manifest(1)
    office.publish(manifest, choices=[office.choice(manifest)])
    device = device_of(office, tmp_path / "device")
    device.get(manifest.path)
    device.base = f"file://{old}"
    with pytest.raises(RepositoryError):
        device.updater()


def test_mixed_metadata_is_refused(office: Office, tmp_path: Path) -> None:
    first = office.manifest(1)
    office.publish(first, choices=[office.choice(first)])
    metadata = office.repository.folder / "metadata"
    (metadata / f"2.{CLASS}.json").write_bytes((metadata / f"1.{CLASS}.json").read_bytes())
    with pytest.raises(RepositoryError):
        device_of(office, tmp_path / "device").get(first.path)


def test_a_changed_manifest_is_refused(office: Office, tmp_path: Path) -> None:
    first = office.manifest(1)
    office.publish(first, choices=[office.choice(first)])
    (path,) = (office.repository.folder / "targets" / CLASS).glob("*.json")
    forged = json.loads(path.read_bytes()) | {"hardware": "ann"}
    path.write_text(json.dumps(forged, sort_keys=True, separators=(",", ":")))
    with pytest.raises((RepositoryError, DownloadError)):
        device_of(office, tmp_path / "device").get(first.path)


def test_a_stick_serves_a_device_and_can_be_brought_up_to_date(office: Office, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    first = office.manifest(1)
    office.publish(first, choices=[office.choice(first)])
    published = office.repository.copy(stick)
    device = DeviceClient.over_folder(tmp_path / "device", stick)
    assert device.get(first.path) == first.canonical()
    second = office.manifest(2)
    office.seq += 1
    office.publish(second, choices=[office.choice(second)], denied=[first])
    assert office.repository.copy(stick).versions["timestamp"] == published.versions["timestamp"] + 1
    assert device.get(f"current/{CLASS}.json") == office.choice(second).canonical()
    assert device.get(second.path) == second.canonical()
    for file in second.files:
        assert (stick / "targets" / "blobs" / file.sha256.removeprefix("sha256:")).stat().st_size == file.size
