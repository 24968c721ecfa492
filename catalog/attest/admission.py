"""What may be published: roles that enough approvers signed, manifests that they list, choices among them, denials.

Refused here is what a device would refuse anyway, and what would make it forget: a deny list with less in it, or
documents of an earlier audit log. Nothing is written before everything has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from catalog.attest.commit import lay
from catalog.attest.keyset import CURRENT, signed_file, threshold
from catalog.attest.published import Standing, blob_path, content, manifest_path
from catalog.attest.roles import ClassRole, Listed, enough, read, require_one
from catalog.domain.base import file_sha256
from catalog.domain.release import DENIED, CurrentRelease, DenyList, ReleaseManifest, RoleSignature
from catalog.errors import Conflict, Damaged, Invalid, Refused


def already(role: ClassRole, published: ClassRole) -> bool:
    """Whether a role's every line is published, by it or by a later version."""
    return role.version <= published.version and role.targets.items() <= published.targets.items()


class Listing:
    """The class roles as they will be after this publication; `new` are the files of those that change."""

    def __init__(self, before: Standing, at: datetime) -> None:
        self.before, self.at = before, at
        self.new: dict[str, tuple[int, bytes]] = {}
        self._roles: dict[str, ClassRole] = {}
        self._manifests: dict[str, ReleaseManifest] = {}
        self._added: set[str] = set()

    def role(self, device_class: str) -> ClassRole:
        """A class's role after this publication."""
        if device_class not in self.before.keys.device_classes:
            known = ", ".join(self.before.keys.device_classes)
            what = f"the release repository has no device class {device_class}"
            raise Invalid("release-invalid", what, where=device_class, do=f"known are {known}")
        if device_class not in self._roles:
            self._roles[device_class] = self.before.class_role(device_class)
        return self._roles[device_class]

    def admit(self, device_class: str, payload: bytes, signatures: Sequence[RoleSignature]) -> None:
        """Take a role that adds one release and that enough delegated keys signed; one that is published is nothing."""
        published, role = self.role(device_class), read(device_class, payload)
        if already(role, published):
            return
        require_one(role, published)
        if role.expires <= self.at:
            raise Conflict("release-outdated", "the role has expired", where=device_class, do="propose it again")
        keys = self.before.keys.may_sign(device_class)
        enough(payload, signatures, keys, threshold(device_class), device_class)
        self._roles[device_class] = role
        self._added |= role.targets.keys() - published.targets.keys()
        self.new[device_class] = (role.version, signed_file(payload, {s.keyid: s.sig for s in signatures}))

    def require_manifests(self, manifests: Sequence[ReleaseManifest]) -> None:
        """Every manifest is listed as it is, with all its files staged; every new line has its manifest."""
        for manifest in manifests:
            listed = self.role(manifest.device_class).targets.get(manifest.path)
            if listed is None or listed != Listed.manifest(manifest):
                what = f"release {manifest.id} is not listed as its manifest is"
                raise Invalid("release-invalid", what, where=manifest.path, do="publish what was signed")
            if not manifest_path(self.before.folder, manifest.path, listed).is_file():
                require_files(self.before.folder, manifest)
            self._manifests[manifest.path] = manifest
        for path in self._added - self._manifests.keys():
            raise Invalid("release-invalid", "a listed release has no manifest", where=path, do="pass it")

    def lease_hours(self, path: str, listed: Listed) -> int:
        """How long a lease the approvers signed for a listed release."""
        where = manifest_path(self.before.folder, path, listed)
        manifest = self._manifests.get(path) or ReleaseManifest.parse(content(where))
        return manifest.lease_hours

    def lay(self, manifests: Sequence[ReleaseManifest]) -> None:
        """Write the manifests, under names that say their digest."""
        for manifest in manifests:
            listed = self.role(manifest.device_class).targets[manifest.path]
            lay(manifest_path(self.before.folder, manifest.path, listed), manifest.canonical())


def require_files(folder: Path, manifest: ReleaseManifest) -> None:
    """Every file of a manifest is staged and is what it says."""
    for file in manifest.files:
        blob = blob_path(folder, file.sha256)
        if not blob.is_file():
            what = f"{file.path} of release {manifest.id} is not staged"
            raise Invalid("release-invalid", what, where=file.path, do="stage every file, then publish")
        if blob.stat().st_size != file.size or file_sha256(blob) != file.sha256:
            what = f"{file.path} of release {manifest.id} is not what its manifest says"
            raise Damaged("digest-mismatch", what, where=str(blob), do="stage it again")


def documents(listed: Listing, current: Sequence[CurrentRelease], denied: DenyList) -> dict[str, bytes]:
    """The documents of the role `current`, by target path, if nothing speaks against them."""
    out = {DENIED: denied.canonical()}
    _remember(listed.before, denied)
    names = {line.release for line in denied.releases}
    for choice in current:
        path = f"{CURRENT}/{choice.device_class}.json"
        if path in out:
            raise Invalid("release-invalid", "a class has one choice", where=path, do="pass one document a class")
        _choice(listed, choice, names)
        out[path] = choice.canonical()
    return out


def _choice(listed: Listing, choice: CurrentRelease, denied: set[str]) -> None:
    where = f"{CURRENT}/{choice.device_class}.json"
    targets = listed.role(choice.device_class).targets
    if choice.release is None and choice.fallbacks:
        raise Invalid("release-invalid", "no release is chosen, so nothing may be fallen back to", where=where)
    for release in filter(None, (choice.release, *choice.fallbacks)):
        line = targets.get(f"{choice.device_class}/{release}.json")
        if line is None or line.custom.environment != choice.environment:
            what = f"release {release} is not listed for class {choice.device_class} in {choice.environment}"
            raise Invalid("release-invalid", what, where=where, do="choose among the releases that approvers signed")
        if release in denied:
            raise Refused("release-denied", f"release {release} is denied", where=where, do="choose another, or none")
        hours = listed.lease_hours(f"{choice.device_class}/{release}.json", line)
        if release == choice.release and choice.lease_until - choice.issued_at > timedelta(hours=hours):
            what = f"the lease is longer than the {hours} h that the approvers signed"
            raise Invalid("release-invalid", what, where=where, do="grant a shorter lease")


def _remember(before: Standing, denied: DenyList) -> None:
    """Refuse a deny list that forgets: less denied, or of an earlier or another audit log."""
    data = before.target(DENIED)
    if data is None:
        return
    known = DenyList.parse(data)
    forgotten = {line.release for line in known.releases} - {line.release for line in denied.releases}
    if forgotten:
        what = f"the deny list would forget {len(forgotten)} releases, {sorted(forgotten)[0]} first"
        raise Refused("release-denied", what, where=DENIED, do="a denial stays; if the records were restored, say so")
    if denied.audit_head.size == known.audit_head.size and denied.audit_head.root != known.audit_head.root:
        what = f"what is published knows another audit log of {known.audit_head.size} entries"
        raise Damaged("audit-damaged", what, where=DENIED, do="run assay audit verify")
    if denied.audit_head.size < known.audit_head.size or denied.epoch < known.epoch:
        what = f"what is published is of {known.audit_head.size} audit entries, this of {denied.audit_head.size}"
        do = "publish what holds now; if the records were restored, run assay audit verify"
        raise Conflict("release-outdated", what, where=DENIED, do=do)


def lapsed(before: Standing, at: datetime) -> bool:
    """Whether what the online key signed has expired."""
    return min(before.current.expires, before.snapshot.expires, before.timestamp.expires) <= at
