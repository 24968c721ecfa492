"""The way back: from the rollback command to a healthy release on a simulated device, a hundred times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from infra.edge.device import Device
from infra.edge.fetch import source
from infra.edge.provision import provision
from infra.edge.pull import pull
from tests.attack.attacker import CLASS, Attack
from tests.benchmarks.figure import Figure
from tests.support.house import House
from tests.support.recordings import recording

TIMES = 100
NOTE = "service, device and its health check in this process: no command, no HTTP, no waiting for a poll"


def figures(folder: Path) -> Iterator[Figure]:
    """Back and forth between two releases: the service's act, the device's pull and its health check."""
    house = House.begin(folder / "rollback")
    with house.open() as desk:
        attack = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "rollback" / "arm-one"))
        releases = []
        for number, name in enumerate(("first", "second"), start=1):
            attack.eligible(name, folder / "rollback" / name, number, line=name)
            releases.append(desk.release(name)["release"])
        published = desk.context.releases
        provision(
            folder / "rollback" / "device",
            name="arm-7",
            device_class=CLASS,
            environment="demo",
            hardware="bench",
            root=published.folder / "metadata" / "1.root.json",
            root_digest=published.root_digest(),
        )
        device, where = Device(folder / "rollback" / "device"), source(str(published.folder), "none")
        pull(device, where)
        acts, pulls = [], []
        for number in range(TIMES):
            wanted = releases[number % 2]
            begun = time.perf_counter()
            desk.rollback(to=wanted, reason="measured")
            acted = time.perf_counter()
            done = pull(device, where)
            ended = time.perf_counter()
            if done.release != wanted or "healthy" not in done.times:
                raise RuntimeError(f"the device has {done.release}, not {wanted}")
            acts.append(acted - begun)
            pulls.append(ended - acted)
    whole = [a + p for a, p in zip(acts, pulls, strict=True)]
    for title, found in (("rollback to healthy, median of 100", statistics.median), ("worst of 100", max)):
        yield Figure(title, found(whole), "the device's pull alone", found(pulls), TIMES, NOTE)
