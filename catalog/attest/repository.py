"""The release repository that devices read: TUF metadata and targets in a folder, changed in one step or not at all.

It is a projection of the records. Approvers' keys list releases (`roles`), the online key only chooses among them and
denies (`online`), root keys say whose keys these are (`keyset`). A publication that would make devices forget a denial
or see an older state is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from catalog.attest import admission, ceremony, roles, whole
from catalog.attest.commit import Change, commit, finish
from catalog.attest.durable import alone, write
from catalog.attest.keyset import Keyset
from catalog.attest.online import Online
from catalog.attest.published import Published, Standing, blob_path, content, read_standing
from catalog.attest.roles import Change as RoleChange
from catalog.attest.roles import ClassRole, added, only_addition, sign_role
from catalog.domain.base import file_sha256, sha256
from catalog.domain.release import DENIED, CurrentRelease, DenyList, ReleaseManifest, RoleSignature
from catalog.errors import Absent, Damaged, Invalid, Unavailable

__all__ = [
    "ClassRole",
    "Keyset",
    "Published",
    "ReleaseRepository",
    "RoleChange",
    "added",
    "only_addition",
    "sign_role",
]
R = TypeVar("R")
SignedRole = tuple[bytes, Sequence[RoleSignature]]


class ReleaseRepository:
    """A release repository in a folder: `metadata/` and `targets/`, as devices read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def begin(
        cls,
        folder: Path,
        *,
        root_keys: Sequence[Path],
        approver_keys: Sequence[Path],
        online_key: Path,
        device_classes: Sequence[str],
        at: datetime,
        lease_hours: int,
    ) -> ReleaseRepository:
        """Make and sign the first set, by all the keys; there is a repository afterwards or there is none."""
        ceremony.begin(folder, root_keys, approver_keys, online_key, device_classes, at, lease_hours)
        return cls(folder)

    def root_digest(self) -> str:
        """`sha256:…` of the first root's file: what a device is provisioned with."""
        return sha256(content(self._there() / "metadata" / "1.root.json"))

    def keys(self) -> Keyset:
        """Who may sign what, as devices now believe."""
        return self._standing().keys

    @property
    def exists(self) -> bool:
        """Whether there is a repository; a home of an older Assay has none."""
        return (self.folder / "metadata" / "1.root.json").is_file()

    def device_classes(self) -> tuple[str, ...]:
        """The classes that releases can be listed for."""
        return self.keys().device_classes

    def said(self) -> tuple[dict[str, CurrentRelease], DenyList | None, datetime]:
        """What the online key last said: the choice of each class, what is denied, and until when that is fresh."""
        with self._alone():
            standing = read_standing(self.folder)
            documents = standing.documents()
        denied = documents.pop(DENIED, None)
        found = [CurrentRelease.parse(data) for data in documents.values()]
        return (
            {document.device_class: document for document in found},
            DenyList.parse(denied) if denied is not None else None,
            standing.timestamp.expires,
        )

    def role(self, device_class: str) -> ClassRole:
        """The published role of a class."""
        with self._alone():
            return self._of(read_standing(self.folder), device_class)

    def proposed(self, manifest: ReleaseManifest, at: datetime) -> tuple[int, bytes]:
        """The next version of the class's role and the bytes that approvers sign: one release more."""
        role = roles.with_release(self.role(manifest.device_class), manifest, at)
        return role.version, role.canonical()

    def verify_role(self, device_class: str, payload: bytes, signatures: Sequence[RoleSignature]) -> tuple[str, ...]:
        """The ids of the keys that signed a proposed role; a bad signature or another role refuses the whole."""
        role = roles.read(device_class, payload)
        with self._alone():
            standing = read_standing(self.folder)
            published = self._of(standing, device_class)
        if not admission.already(role, published):
            roles.require_one(role, published)
        return roles.good(payload, signatures, standing.keys.may_sign(device_class), device_class)

    def stage(self, digest: str, content: bytes) -> None:
        """Put a model's file where manifests name it; twice is once."""
        if sha256(content) != digest:
            raise Damaged("digest-mismatch", f"the bytes are {sha256(content)}", where=digest, do="read them again")
        path = blob_path(self._there(), digest)
        with alone(path.parent):
            if not (path.is_file() and file_sha256(path) == digest):
                write(path, content)

    def publish(
        self,
        *,
        roles: Mapping[str, SignedRole],
        manifests: Sequence[ReleaseManifest],
        current: Sequence[CurrentRelease],
        denied: DenyList,
        online_key: Path,
        at: datetime,
        expires: datetime,
    ) -> Published:
        """Make devices see these roles, choices and denials, in one step; what is published already stays as it is.

        `current` are all choices: a class without one has none. `denied` is the whole deny list.
        """
        if expires <= at:
            raise Invalid("release-invalid", "a publication that has expired serves nobody", do="pass a later expiry")
        with self._alone():
            before = read_standing(self.folder)
            online = Online.load(online_key, before.keys)
            listed = admission.Listing(before, at)
            for device_class, (payload, signatures) in roles.items():
                listed.admit(device_class, payload, signatures)
            listed.require_manifests(manifests)
            documents = admission.documents(listed, current, denied)
            listed.lay(manifests)
            renewed = None if documents == before.documents() and not admission.lapsed(before, at) else documents
            if renewed is None and not listed.new:
                return before.published()
            return commit(self.folder, before, Change(listed.new, renewed), online, expires)

    def rotation(self, wanted: Keyset, at: datetime, *, renew: bool = False) -> dict[str, bytes]:
        """The bytes to be signed, by role, so that these keys and classes hold; `renew` moves every expiry on."""
        with self._alone():
            return ceremony.rotation(read_standing(self.folder), wanted, at, renew=renew)

    def holds(self, rotation: Mapping[str, bytes]) -> bool:
        """Whether a rotation is in place already."""
        with self._alone():
            return ceremony.holds(read_standing(self.folder), rotation)

    def apply(
        self,
        rotation: Mapping[str, bytes],
        signatures: Mapping[str, Sequence[RoleSignature]],
        *,
        online_key: Path,
        at: datetime,
        expires: datetime,
    ) -> Published:
        """Make a signed rotation hold, in one step; again is nothing."""
        with self._alone():
            before = read_standing(self.folder)
            after, change = ceremony.checked(before, rotation, signatures, at)
            if change is None:
                return before.published()
            return commit(self.folder, before, change, Online.load(online_key, after), expires)

    def verify(self, at: datetime) -> None:
        """Verify everything against the first root, as of a time: roles, manifests and every file listed."""
        self._unmoved(lambda standing: whole.verify(standing, at))

    def copy(self, folder: Path) -> Published:
        """Copy what is published to a folder or a stick; on it, too, the old state or the new one is there."""
        return self._unmoved(lambda standing: whole.copy(standing, folder))

    def _unmoved(self, act: Callable[[Standing], R]) -> R:
        """A long act on what is published, beside publishers, who never wait for it; again if they moved meanwhile."""
        while True:
            standing = self._standing()
            try:
                return act(standing)
            except Damaged:
                if self._standing().timestamp == standing.timestamp:
                    raise

    def _there(self) -> Path:
        if not (self.folder / "metadata" / "1.root.json").is_file():
            what = "there is no release repository"
            raise Unavailable("home-not-initialised", what, where=str(self.folder), do="run assay init")
        return self.folder

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Alone with the repository, after what an interrupted rotation left is brought to its end."""
        with alone(self._there()):
            finish(self.folder)
            yield

    def _standing(self) -> Standing:
        with self._alone():
            return read_standing(self.folder)

    @staticmethod
    def _of(standing: Standing, device_class: str) -> ClassRole:
        if device_class not in standing.keys.device_classes:
            known = ", ".join(standing.keys.device_classes)
            what = f"the release repository has no device class {device_class}"
            raise Absent("release-unknown", what, where=device_class, do=f"known are {known}")
        return standing.class_role(device_class)
