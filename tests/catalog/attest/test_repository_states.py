"""Whatever is proposed, signed, published, chosen, denied and rotated, in any order: versions rise, what is named is
there, a device that follows never goes back, and no denial is forgotten."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from catalog.attest.keys import generate
from catalog.attest.repository import Keyset
from catalog.domain.release import CurrentRelease, DenyList, ReleaseManifest, RoleSignature
from catalog.errors import Conflict, Refused
from tests.support.device_client import DeviceClient
from tests.support.releases import CLASS, LEASE, OTHER, ROOTS, Office

CLASSES = st.sampled_from([CLASS, OTHER])
SIGNERS = st.sampled_from([(0, 1), (1, 0), (0, 1), (0,), (1, 1), ()])
Pending = dict[str, tuple[ReleaseManifest, bytes, list[RoleSignature]]]


class Publications(RuleBasedStateMachine):
    """The office's acts against what a plain model says of them, with one device that looks after each."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.office = Office.begin(self.folder / "office", at=datetime.now(UTC))
        self.device = DeviceClient.over_folder(self.folder / "device", self.office.repository.folder)
        self.pending: Pending = {}
        self.outdated: set[str] = set()
        self.listed: dict[str, list[ReleaseManifest]] = {CLASS: [], OTHER: []}
        self.denied: list[ReleaseManifest] = []
        self.choices: dict[str, ReleaseManifest | None] = {}
        self.approvers, self.online, self.number = ["approver-1", "approver-2"], "release", 0
        self.seen: dict[str, int] = {}

    @rule(device_class=CLASSES, who=SIGNERS)
    def propose(self, device_class: str, who: tuple[int, ...]) -> None:
        self.number += 1
        manifest = self.office.manifest(self.number, device_class)
        version, payload = self.office.repository.proposed(manifest, self.office.at)
        assert version == self.office.repository.role(device_class).version + 1
        signed = self.office.signed(payload, [self.approvers[number] for number in who])
        self.pending[device_class] = (manifest, payload, signed)
        self.outdated.discard(device_class)

    @rule(device_class=CLASSES)
    def release(self, device_class: str) -> None:
        """The whole way at once: proposed, signed by both, published, and chosen with the next publication."""
        self.pending.clear()
        self.propose(device_class, (0, 1))
        self.publish(1)
        self.choices[device_class] = self.listed[device_class][-1]

    @rule(device_class=CLASSES, number=st.integers(0, 5))
    def choose(self, device_class: str, number: int) -> None:
        allowed = [m for m in self.listed[device_class] if m not in self.denied]
        self.choices[device_class] = allowed[number % len(allowed)] if allowed and number else None

    @rule(device_class=CLASSES, number=st.integers(0, 5))
    def deny(self, device_class: str, number: int) -> None:
        if self.listed[device_class]:
            denied = self.listed[device_class][number % len(self.listed[device_class])]
            if denied not in self.denied:
                self.denied.append(denied)
            if self.choices.get(device_class) == denied:
                self.choices[device_class] = None

    @rule(hours=st.integers(0, 12))
    def publish(self, hours: int) -> None:
        self.office.seq += 1
        self.office.at += timedelta(microseconds=hours)
        pending, before = self.pending, self._versions()
        self.pending = {}
        whole = all(len({s.keyid for s in signed}) == len(signed) == 2 for _, _, signed in pending.values())
        try:
            self._publish(pending, self.denied)
        except (Refused, Conflict) as error:
            assert not whole or (self.outdated & pending.keys() and error.kind == "release-outdated"), error  # noqa: PT017
            assert self._versions() == before
        else:
            assert whole
            for name, (manifest, _, _) in pending.items():
                self.listed[name].append(manifest)
        self.outdated.clear()

    def _publish(self, pending: Pending, denied: list[ReleaseManifest]) -> None:
        self.office.repository.publish(
            roles={name: (payload, signed) for name, (_, payload, signed) in pending.items()},
            manifests=[manifest for manifest, _, _ in pending.values()],
            current=[self.office.choice(chosen, name) for name, chosen in self.choices.items()],
            denied=self.office.deny(*denied),
            online_key=self.office.key(self.online),
            at=self.office.at,
            expires=self.office.at + timedelta(hours=LEASE),
        )

    @precondition(lambda self: self.number % 3 == 2)
    @rule(online=st.booleans())
    def rotate(self, online: bool) -> None:
        """Replace an approver or the online key; what was proposed before an approver changed is void."""
        self.number += 1
        name = f"key-{self.number}"
        generate(self.office.key(name))
        if online:
            self.online = name
        else:
            self.approvers = [self.approvers[1], name]
            self.outdated |= self.pending.keys()
        wanted = Keyset(
            root=tuple(self.office.public(root) for root in ROOTS),
            approvers=tuple(self.office.public(key) for key in self.approvers),
            online=self.office.public(self.online),
            device_classes=(CLASS, OTHER),
        )
        payloads = self.office.repository.rotation(wanted, self.office.at)
        signatures = {
            role: self.office.signed(data, ROOTS[1:] if role == "root" else self.approvers)
            for role, data in payloads.items()
        }
        key, until = self.office.key(self.online), self.office.at + timedelta(hours=LEASE)
        self.office.repository.apply(payloads, signatures, online_key=key, at=self.office.at, expires=until)

    @precondition(lambda self: self.seen.get("denials"))
    @rule()
    def forget_a_denial(self) -> None:
        """A deny list with less in it, as of restored records, changes nothing."""
        before = self._versions()
        self.office.seq += 1
        with pytest.raises(Refused, match="would forget"):
            self._publish({}, [])
        assert self._versions() == before

    def _versions(self) -> dict[str, int]:
        repository = self.office.repository
        return {name: repository.role(name).version for name in (CLASS, OTHER)}

    @invariant()
    def what_is_named_is_there(self) -> None:
        self.office.repository.verify(self.office.at)
        for name, listed in self.listed.items():
            assert self.office.repository.role(name).targets.keys() == {manifest.path for manifest in listed}

    @invariant()
    def a_device_never_goes_back(self) -> None:
        for name in (CLASS, OTHER):
            data = self.device.get(f"current/{name}.json")
            if data is not None:
                choice = CurrentRelease.parse(data)
                assert choice.release is None or choice.release in {m.id for m in self.listed[name]}
        denials = self.device.get("denied.json")
        if denials is not None:
            denied = {line.release for line in DenyList.parse(denials).releases}
            assert denied <= {manifest.id for manifest in self.denied}
            assert len(denied) >= self.seen.get("denials", 0)
            self.seen["denials"] = len(denied)
        for manifest in [listed[-1] for listed in self.listed.values() if listed]:
            assert self.device.get(manifest.path) == manifest.canonical()
        versions = self.device.versions()
        assert all(versions.get(role, 0) >= version for role, version in self.seen.items() if role != "denials")
        self.seen |= versions

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


TestPublications = Publications.TestCase
TestPublications.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
