"""A thousand devices, half of them offline, an hour of simulated time: promote, recall, roll back.

Every document is signed and verified once, as a device verifies it; each device then decides for itself, by the very
function that a real one calls. A real device, with a home on disk, lives through the same hour beside them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from catalog.domain.release import CurrentRelease, ReleaseManifest
from infra.edge.decide import Identity, Shown, decide, permitted
from infra.edge.device import Device
from infra.edge.errors import EdgeError, Refused
from infra.edge.permit import permit
from infra.edge.pull import offline
from infra.edge.start import load
from infra.edge.state import State
from tests.infra.edge.site import CLASS, Site

DEVICES, POLL = 1000, timedelta(seconds=30)
LEASE = timedelta(minutes=20)  # within the approvers' 24 hours
MINUTE = timedelta(minutes=1)


@dataclass
class Simulated:
    """One device of the fleet: its state, what it last verified, when it can reach the catalog."""

    identity: Identity
    state: State
    skew: timedelta
    gone: tuple[datetime, datetime]
    shown: Shown | None = None
    denied_at: datetime | None = None
    ran: list[tuple[datetime, str]] = field(default_factory=list)

    def online(self, at: datetime) -> bool:
        return not self.gone[0] <= at < self.gone[1]

    def poll(self, published: Shown, at: datetime) -> None:
        """One round: decide, and swap to what is allowed; then see what runs."""
        clock = at + self.skew
        if self.online(at):
            decision = decide(self.identity, self.state, published, clock)
            self.state = decision.state
            if decision.refused is None:
                self.shown = published
            if decision.release is not None:
                self.state = replace(self.state, current=decision.release.id, previous=self.state.current)
        self.state = self.state.at_least(clock)
        if (running := self.running(clock)) is not None:
            self.ran.append((at, running))

    def running(self, clock: datetime) -> str | None:
        if self.shown is None:
            return None
        try:
            return permitted(self.identity, self.state, self.shown, self.state.current, clock).id
        except Refused:
            return None


@pytest.fixture
def hour(tmp_path: Path) -> Site:
    return Site.begin(tmp_path)


def choice(site: Site, manifest: ReleaseManifest | None, *fallbacks: ReleaseManifest) -> CurrentRelease:
    found = site.office.choice(manifest, CLASS, *(f.id for f in fallbacks))
    return found.model_copy(update={"lease_until": site.office.at + LEASE})


def publish(site: Site, chosen: CurrentRelease, new: ReleaseManifest | None, denied: list[ReleaseManifest]) -> None:
    site.office.publish(*([new] if new else []), choices=[chosen], denied=denied)


def verified(real: Device) -> Shown:
    """What a device verified of what is published now."""
    return permit(real, real.state())


def test_an_hour_of_a_thousand_devices(hour: Site) -> None:
    site, draw = hour, random.Random(20261121)
    start = site.now
    fleet = [_device(number, start, draw) for number in range(DEVICES)]
    one, two = site.manifest(1), site.manifest(2)
    story = {0: (one, one), 10: (two, two), 30: (one, None), 45: (None, None)}
    chosen: ReleaseManifest | None = None
    denied: list[ReleaseManifest] = []
    real, published = site.device, None
    recalled = start + 30 * MINUTE
    for step in range(int(timedelta(hours=1) / POLL) + 1):
        at = start + step * POLL
        site.now = site.office.at = at
        minute, rest = divmod(step * POLL, MINUTE)
        if not rest and (minute in story or minute % 5 == 0):
            site.office.seq += 1
            if minute in story:
                chosen, new = story[minute]
                denied = [two] if minute >= 30 else []
            else:
                new = None
            fallbacks = [one] if chosen is two else []
            publish(site, choice(site, chosen, *fallbacks), new, denied)
            _real_pull(site)
            published = verified(real)
        assert published is not None
        for device in fleet:
            device.poll(published, at)
    _ends_well(fleet, start, recalled, one, two)
    assert real.state().current == one.id
    with pytest.raises(EdgeError, match="no release is allowed"):
        load(real)


def _device(number: int, start: datetime, draw: random.Random) -> Simulated:
    """Every second device is out of reach from some minute on, for good or until it comes back."""
    never = (start + timedelta(days=1), start + timedelta(days=2))
    leaves = start + timedelta(minutes=draw.uniform(11, 29))
    back = leaves + timedelta(minutes=draw.uniform(5, 15)) if number % 4 == 1 else start + timedelta(days=1)
    gone = never if number % 2 == 0 else (leaves, back)
    skew = timedelta(seconds=draw.uniform(-120, 120))
    identity = Identity(f"arm-{number}", CLASS, "demo", "any")
    return Simulated(identity, State(floor=start + skew), skew, gone)


def _real_pull(site: Site) -> None:
    try:
        site.pull()
    except EdgeError as error:
        if error.kind != "no-release-allowed":
            raise


def _ends_well(
    fleet: list[Simulated], start: datetime, recalled: datetime, one: ReleaseManifest, two: ReleaseManifest
) -> None:
    end = start + timedelta(hours=1)
    for device in fleet:
        runs = dict(device.ran)
        assert device.running(end + device.skew) is None, "at the end no release is allowed, or the lease is over"
        assert runs[start] == one.id
        heard = device.online(recalled) or device.gone[1] < end
        after = [at for at, release in device.ran if release == two.id and at >= recalled]
        if device.online(recalled):
            assert not after, "an online device stops at its next poll"
            assert runs[recalled] == one.id
            assert device.state.denials.why(two.id, two.model) is not None
        else:
            # What it last heard was at most one renewal before it left.
            exposure = device.gone[0] + LEASE + timedelta(minutes=2)
            assert all(at < min(exposure, device.gone[1]) for at in after)
            assert (two.id in device.state.denials.releases) == heard


def test_a_real_device_and_a_simulated_one_agree(hour: Site) -> None:
    """The same documents, the same clock: the client on disk and the pure decision come to the same."""
    site = hour
    one, two = site.manifest(1), site.manifest(2)
    device = site.device
    twin = Simulated(device.identity, device.state(), timedelta(0), (site.now, site.now))
    acts = [(one, one, []), (two, two, []), (one, None, [two]), (None, None, [two]), (one, None, [two])]
    for chosen, new, denied in acts:
        site.later(0.1)
        fallbacks = [one] if chosen is two else []
        publish(site, choice(site, chosen, *fallbacks), new, denied)
        _real_pull(site)
        twin.poll(verified(device), site.now)
        assert _running(device) == twin.running(site.now)
        assert device.state().denials == twin.state.denials
        assert device.state().head == twin.state.head
    site.later(1)
    assert offline(device) is not None
    assert _running(device) == twin.running(site.now) is None


def _running(device: Device) -> str | None:
    try:
        return load(device).release
    except EdgeError:
        return None
