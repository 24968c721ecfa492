"""The device: verifying a repository that lists ten thousand releases, and an update from pull to healthy."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

from infra.edge.device import Device
from infra.edge.document import strict_json
from infra.edge.fetch import source
from infra.edge.permit import permit
from infra.edge.pull import fetch, pull
from tests.benchmarks.figure import Figure, compare
from tests.infra.edge.forge import Forger
from tests.infra.edge.site import Site

TARGETS = 10_000


def figures(folder: Path) -> Iterator[Figure]:
    """Cold: nothing kept; every role fetched from a folder and verified from the root."""
    site = Site.begin(folder / "edge")
    one = site.promote(site.manifest(1))
    crowd(site)
    role = (
        site.releases / "metadata" / f"{Forger(site.office).newest('demo-arm').signed.version}.demo-arm.json"
    ).read_bytes()
    fresh = Device(_copy(site, "cold"), lambda: site.now)
    parse = ("parsing the class's role", lambda: strict_json(role))

    def cold() -> None:
        fetch(fresh, fresh.state(), source(str(site.releases), "token"))

    cold()
    note = f"{len(role) / 2**20:.1f} MiB of metadata, read from a folder"
    yield compare(f"verification of {TARGETS:,} targets, cold", cold, *parse, runs=9, note=note)
    site.pull()
    if site.device.state().current != one.id:
        raise RuntimeError("the device did not install the release")
    yield compare(
        "what a start verifies of them, offline", lambda: permit(site.device, site.device.state()), *parse, runs=9
    )
    yield from _swaps(folder)


def crowd(site: Site) -> None:
    """Ten thousand more targets in the class's role, signed by the approvers, in one version."""
    forger = Forger(site.office)
    found = forger.newest("demo-arm")
    base = next(iter(found.signed.targets.values())).to_dict()
    for number in range(TARGETS - len(found.signed.targets)):
        identity = f"11111111-0000-7000-8000-{number:012d}"
        path = f"demo-arm/{identity}.json"
        one = {**base, "custom": {**base["custom"], "release": identity}}
        found.signed.targets[path] = type(next(iter(found.signed.targets.values()))).from_dict(one, path)
    forger.write("demo-arm", found, ("approver-1", "approver-2"))
    forger.list_roles("demo-arm")


def _swaps(folder: Path) -> Iterator[Figure]:
    """From one release to the other and back, both on the disk: what follows a rollback command on the device."""
    site = Site.begin(folder / "swaps")
    one, two = site.promote(site.manifest(1)), site.manifest(2)
    site.pull()
    site.promote(two, one)
    site.pull()
    turn = itertools.cycle([(one, two), (two, one)])

    def swap() -> None:
        site.later(0.001)
        chosen, other = next(turn)
        site.choose(chosen, other)
        if pull(site.device, site.source()).event != "installed":
            raise RuntimeError("nothing was swapped")

    yield compare(
        "publish a choice, pull, swap, healthy",
        swap,
        "pull that changes nothing",
        lambda: pull(site.device, site.source()),
        runs=9,
        note="fsync of every state included",
    )


def _copy(site: Site, name: str) -> Path:
    return Path(shutil.copytree(site.device.home, site.folder / name))
