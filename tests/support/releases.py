"""A release repository with real keys, for tests: the approvers' and keepers' acts, and a device's own TUF client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catalog.attest.keys import generate, load, public_hex
from catalog.attest.repository import ReleaseRepository, sign_role
from catalog.domain.audit import AuditHead
from catalog.domain.base import sha256
from catalog.domain.model import ModelFile
from catalog.domain.release import CurrentRelease, DeniedRelease, DenyList, ReleaseManifest, RoleSignature

CLASS, OTHER = "demo-arm", "collaborative-arm"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEASE = 24
ROOTS, APPROVERS = ("root-1", "root-2", "root-3"), ("approver-1", "approver-2")


@dataclass
class Office:
    """Keys beside a repository; everything in it is as of `at`."""

    folder: Path
    at: datetime = NOW
    seq: int = 1

    @classmethod
    def begin(cls, folder: Path, at: datetime = NOW) -> Office:
        """Keys and the first set."""
        office = cls(folder, at)
        (folder / "keys").mkdir(parents=True)
        for name in (*ROOTS, *APPROVERS, "release"):
            generate(office.key(name))
        ReleaseRepository.begin(
            office.repository.folder,
            root_keys=office.all(ROOTS),
            approver_keys=office.all(APPROVERS),
            online_key=office.key("release"),
            device_classes=(CLASS, OTHER),
            at=at,
            lease_hours=LEASE,
        )
        return office

    @property
    def repository(self) -> ReleaseRepository:
        """The repository, opened anew."""
        return ReleaseRepository(self.folder / "releases")

    def key(self, name: str) -> Path:
        """A key's file."""
        return self.folder / "keys" / f"{name}.pem"

    def all(self, names: Sequence[str]) -> list[Path]:
        """Several keys' files."""
        return [self.key(name) for name in names]

    def public(self, name: str) -> str:
        """A key's raw public half, in hex."""
        return public_hex(load(self.key(name)))

    def later(self, hours: float) -> Office:
        """The same house some hours later."""
        return replace(self, at=self.at + timedelta(hours=hours))

    def manifest(self, number: int, device_class: str = CLASS, lease_hours: int = LEASE) -> ReleaseManifest:
        """The manifest of a release; its one file is staged."""
        weights = f"weights {number} of {device_class}".encode()
        self.repository.stage(sha256(weights), weights)
        return ReleaseManifest(
            id=f"00000000-0000-7000-8000-{number:012d}",
            number=number,
            device_class=device_class,
            environment="demo",
            hardware="any",
            model=sha256(weights),
            model_name="reach",
            files=(ModelFile(path="weights.npz", size=len(weights), sha256=sha256(weights)),),
            decision=sha256(b"decision"),
            policy=sha256(b"policy"),
            epoch=0,
            audit_head=self.head(),
            issued_at=self.at,
            lease_hours=lease_hours,
        )

    def head(self) -> AuditHead:
        """The audit head; its root follows from its size."""
        return AuditHead(size=self.seq, root=sha256(str(self.seq).encode()))

    def signed(self, payload: bytes, names: Sequence[str] = APPROVERS) -> list[RoleSignature]:
        """A role's bytes under several keys."""
        return [sign_role(payload, self.key(name)) for name in names]

    def choice(self, release: ReleaseManifest | None, device_class: str = CLASS, *fallbacks: str) -> CurrentRelease:
        """A choice with its lease."""
        return CurrentRelease(
            device_class=device_class,
            environment="demo",
            release=release.id if release else None,
            fallbacks=fallbacks,
            reason="chosen",
            requested_at=self.at,
            issued_at=self.at,
            lease_until=self.at + timedelta(hours=LEASE),
            epoch=0,
            audit_head=self.head(),
        )

    def deny(self, *denied: ReleaseManifest) -> DenyList:
        """The whole deny list."""
        lines = tuple(DeniedRelease(release=m.id, model=m.model, reason="bad", at=NOW) for m in denied)
        return DenyList(environment="demo", releases=lines, issued_at=self.at, epoch=0, audit_head=self.head())

    def publish(
        self,
        *manifests: ReleaseManifest,
        choices: Sequence[CurrentRelease] = (),
        denied: Sequence[ReleaseManifest] = (),
        names: Sequence[str] = APPROVERS,
    ) -> dict[str, int]:
        """Propose and sign each manifest that is not listed yet, one a class, and publish all with these choices."""
        roles = {}
        for manifest in manifests:
            if manifest.path in self.repository.role(manifest.device_class).targets:
                continue
            _, payload = self.repository.proposed(manifest, self.at)
            roles[manifest.device_class] = (payload, self.signed(payload, names))
        return self.repository.publish(
            roles=roles,
            manifests=manifests,
            current=choices,
            denied=self.deny(*denied),
            online_key=self.key("release"),
            at=self.at,
            expires=self.at + timedelta(hours=LEASE),
        ).versions
