"""The release repository with 10,000 releases of one class: publishing one more, and a device that sees it first."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catalog.attest.commit import Change, commit
from catalog.attest.keyset import signed_file
from catalog.attest.online import Online
from catalog.attest.published import manifest_path, read_standing
from catalog.attest.roles import ClassRole, Listed
from catalog.domain.release import ReleaseManifest
from tests.benchmarks.figure import Figure, compare
from tests.support.device_client import DeviceClient
from tests.support.releases import CLASS, LEASE, Office

RELEASES = 10_000


def crowded(folder: Path) -> Office:
    """An office whose class lists ten thousand releases, signed as always."""
    office = Office.begin(folder, at=datetime.now(UTC))
    model = office.manifest(1)
    listed = {}
    for number in range(RELEASES):
        identity = f"00000000-0000-7000-9000-{number:012d}"
        manifest = model.model_copy(update={"id": identity, "number": number + 1})
        listed[manifest.path] = Listed.manifest(manifest)
        path = manifest_path(office.repository.folder, manifest.path, listed[manifest.path])
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(manifest.canonical())
    expires = office.repository.role(CLASS).expires
    payload = ClassRole(version=2, expires=expires, targets=listed).canonical()
    data = signed_file(payload, {s.keyid: s.sig for s in office.signed(payload)})
    standing = read_standing(office.repository.folder)
    online = Online.load(office.key("release"), standing.keys)
    until = office.at + timedelta(hours=LEASE)
    commit(office.repository.folder, standing, Change({CLASS: (2, data)}), online, until)
    return office


def figures(folder: Path) -> Iterator[Figure]:
    """Publish, renew and follow, beside reading the same JSON."""
    office = crowded(folder / "releases")
    metadata = office.repository.folder / "metadata"
    text = (metadata / f"2.{CLASS}.json").read_bytes()
    read = (f"JSON of the role, {len(text) / 1e6:.1f} MB", lambda: json.dumps(json.loads(text)))
    numbers, places = itertools.count(100_000), itertools.count()

    def publish(*manifests: ReleaseManifest) -> None:
        office.seq += 1
        office.publish(*manifests, choices=[office.choice(chosen)])

    def follow() -> None:
        device = DeviceClient.over_folder(folder / f"device-{next(places)}", office.repository.folder)
        if device.get(f"current/{CLASS}.json") is None or device.get(chosen.path) is None:
            raise RuntimeError("the device does not find what was published")

    chosen = office.manifest(next(numbers))
    publish(chosen)
    note = "from the first root: all metadata, the choice and one manifest; through python-tuf's own client"
    yield compare(f"device, cold, {RELEASES} targets", follow, *read, runs=9, note=note)
    yield compare(f"renewed leases beside {RELEASES} targets", publish, *read, runs=9)
    note = "proposed, signed by two, published"
    one_more = lambda: publish(office.manifest(next(numbers)))  # noqa: E731
    yield compare(f"one release more beside {RELEASES}", one_more, *read, runs=9, note=note)
