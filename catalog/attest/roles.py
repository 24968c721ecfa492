"""The role that lists a class's releases: one strict form, and each version is the one before plus one release.

The bytes that approvers sign are the canonical JSON of the role's signed part. All its texts are plain ASCII names, so
that form and the one TUF clients compute (OLPC canonical JSON) are the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

from catalog.attest.keys import keyid, load, public_hex
from catalog.domain.base import Count, Digest, Entity, Slug, first_fault, sha256
from catalog.domain.release import ReleaseManifest, RoleSignature
from catalog.errors import Conflict, Invalid, Refused

YEAR = timedelta(days=365)
TIME = "%Y-%m-%dT%H:%M:%SZ"
SPECIFICATION = "1.0.31"  # the release of the TUF specification that every role is written in


def _seconds(value: Any) -> Any:
    return datetime.strptime(value, TIME).replace(tzinfo=UTC) if isinstance(value, str) else value


def _whole(value: datetime) -> datetime:
    if value.utcoffset() != timedelta(0) or value.microsecond:
        raise ValueError("a role's time is UTC in whole seconds")
    return value


Seconds = Annotated[
    datetime, BeforeValidator(_seconds), AfterValidator(_whole), PlainSerializer(lambda value: value.strftime(TIME))
]


class Hashes(Entity):
    """The digest of a target, as TUF writes it."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Custom(Entity):
    """What the approvers say of a release in the role itself."""

    class_: Slug = Field(alias="class")
    environment: Slug
    decision: Digest
    model: Digest
    model_name: Slug
    release: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]


class Listed(Entity):
    """One release of a class: the digest and size of its manifest, and what it is."""

    length: Count
    hashes: Hashes
    custom: Custom

    @property
    def sha256(self) -> str:
        """The manifest's digest, in hex."""
        return self.hashes.sha256

    @classmethod
    def manifest(cls, manifest: ReleaseManifest) -> Self:
        """The line of a manifest."""
        data = manifest.canonical()
        hashes = {"sha256": sha256(data).removeprefix("sha256:")}
        return cls.of({"length": len(data), "hashes": hashes, "custom": manifest.custom()})


class ClassRole(Entity):
    """The signed part of a class's role; its canonical bytes are what approvers sign."""

    type_: Literal["targets"] = Field("targets", alias="_type")
    spec_version: Literal["1.0.31"] = "1.0.31"
    version: Annotated[int, Field(ge=1, le=10**9)]
    expires: Seconds
    targets: dict[str, Listed]

    @model_validator(mode="after")
    def _paths(self) -> Self:
        for path, listed in self.targets.items():
            if path != f"{listed.custom.class_}/{listed.custom.release}.json":
                raise ValueError(f"{path} is not the path of release {listed.custom.release}")
        return self


class Change(Entity):
    """One difference between a proposed role and the published one."""

    what: Literal["added", "removed", "changed", "version", "expires"]
    path: str
    before: Any = None
    after: Any = None


@lru_cache(maxsize=4)
def read(device_class: str, payload: bytes) -> ClassRole:
    """The role of a class from its signed bytes; raises `Invalid("release-invalid")` for anything else.

    Whatever a lenient parser might take (a key twice, a number in another form) is not the canonical form and fails
    there. The last few are kept: proposing, verifying and publishing read the same bytes, megabytes in a large class.
    """
    do = "propose the release again and sign what the catalog shows"
    try:
        role = ClassRole.model_validate_json(payload)
    except ValueError as error:
        what = f"not the role of a device class: {first_fault(error)}"
        raise Invalid("release-invalid", what, where=device_class, do=do) from error
    if role.canonical() != payload:
        raise Invalid("release-invalid", "the role is not in its canonical form", where=device_class, do=do)
    for path, listed in role.targets.items():
        if listed.custom.class_ != device_class:
            raise Invalid("release-invalid", f"{path} is not of class {device_class}", where=path, do=do)
    return role


def with_release(published: ClassRole, manifest: ReleaseManifest, at: datetime) -> ClassRole:
    """The next version of a role: everything published, one release more, and a year from now."""
    if manifest.path in published.targets:
        what = f"release {manifest.id} is listed already"
        raise Conflict("release-outdated", what, where=manifest.path, do="propose a new release")
    targets = {**published.targets, manifest.path: Listed.manifest(manifest)}
    return following(published, at).model_copy(update={"targets": targets})


def following(published: ClassRole, at: datetime) -> ClassRole:
    """The same role, one version on, for another year; an expiry never moves back."""
    expires = max(published.expires, (at + YEAR).replace(microsecond=0))
    return published.model_copy(update={"version": published.version + 1, "expires": expires})


def added(payload: bytes, published: dict[str, Any]) -> tuple[Change, ...]:
    """What a proposed role changes against the published one (`ClassRole.document()`), for showing before signing.

    A plain proposal is one `added`; version and expiry are named only where they are not as they must be.
    """
    role = ClassRole.parse(payload)
    if role.canonical() != payload:
        raise Invalid("release-invalid", "the role is not in its canonical form", do="do not sign; propose it again")
    return changes(role, ClassRole.of(published))


def only_addition(payload: bytes, published: dict[str, Any], manifest: ReleaseManifest) -> None:
    """Refuse a proposed role unless all it does is to add exactly this release."""
    role = read(manifest.device_class, payload)
    require_one(role, ClassRole.of(published))
    if role.targets.get(manifest.path) != Listed.manifest(manifest) or manifest.path in published["targets"]:
        what = f"the role does not add release {manifest.id} as its manifest is"
        raise Invalid("release-invalid", what, where=manifest.path, do="do not sign; propose the release again")


def changes(role: ClassRole, published: ClassRole) -> tuple[Change, ...]:
    """Every difference but the ones that each version has: the next number and a later expiry."""
    found: list[Change] = []
    if role.version != published.version + 1:
        found.append(Change(what="version", path="", before=published.version, after=role.version))
    if role.expires < published.expires:
        before, after = published.expires.strftime(TIME), role.expires.strftime(TIME)
        found.append(Change(what="expires", path="", before=before, after=after))
    for path in sorted(role.targets.keys() | published.targets.keys()):
        before_, after_ = published.targets.get(path), role.targets.get(path)
        if before_ != after_:
            what: Literal["added", "removed", "changed"] = (
                "added" if before_ is None else "removed" if after_ is None else "changed"
            )
            documents = (before_ and before_.document(), after_ and after_.document())
            found.append(Change(what=what, path=path, before=documents[0], after=documents[1]))
    return tuple(found)


def require_one(role: ClassRole, published: ClassRole) -> None:
    """Refuse anything but exactly one release more."""
    if role.version != published.version + 1:
        what = f"the role is version {role.version}, the published one {published.version}"
        raise Conflict("release-outdated", what, do="propose the release again")
    found = changes(role, published)
    if [change.what for change in found] != ["added"]:
        said = ", ".join(f"{change.what} {change.path}".strip() for change in found[:5]) or "nothing"
        what = f"a proposal adds one release and does nothing else; this one: {said}"
        raise Invalid("release-invalid", what, do="do not sign; propose the release again")


def public_key(public: str) -> Key:
    """A raw public key (hex) as TUF metadata lists it, under our own id."""
    return SSlibKey(keyid(public), "ed25519", "ed25519", {"public": public})


def signer(path: Path, home: Path | None = None) -> CryptoSigner:
    """The signer of a key file; `home` is where the key may not lie."""
    private = load(path, home)
    public = public_hex(private)
    return CryptoSigner(private, SSlibKey(keyid(public), "ed25519", "ed25519", {"public": public}))


def sign_role(payload: bytes, key: Path, home: Path | None = None) -> RoleSignature:
    """One signature over a role's bytes, by the key's holder: what an approver or a root keeper does, after reading."""
    signature = signer(key, home).sign(payload)
    return RoleSignature(keyid=signature.keyid, sig=signature.signature)


def good(
    payload: bytes, signatures: Iterable[RoleSignature], keys: Mapping[str, str], where: str = ""
) -> tuple[str, ...]:
    """The ids of the keys that signed; `keys` are the delegated ones, id → raw public.

    Every signature must be good and by a delegated key, and no key counts twice, or the whole set is refused.
    """
    seen: dict[str, str] = {}
    for signature in signatures:
        short, public = signature.keyid[:16], keys.get(signature.keyid)
        if public is None or keyid(public) != signature.keyid:
            what = f"devices do not know key {short}… yet: nothing that they follow lets it sign {where}".strip()
            do = "where it is enrolled: assay key rotate; otherwise sign with a key that devices know"
            raise Refused("signer-not-enrolled", what, where=where, do=do)
        if public in seen.values():
            what = f"key {short}… signed twice and counts once"
            raise Refused("separation-of-duties", what, where=where, do="let another person sign")
        try:
            public_key(public).verify_signature(Signature(signature.keyid, signature.sig), payload)
        except UnverifiedSignatureError as error:
            what = f"the signature of key {short}… is not over these bytes"
            raise Refused("signature-invalid", what, where=where, do="sign again what is meant") from error
        seen[signature.keyid] = public
    return tuple(seen)


def enough(
    payload: bytes, signatures: Iterable[RoleSignature], keys: Mapping[str, str], threshold: int, where: str
) -> tuple[str, ...]:
    """The same, and refused where fewer distinct keys signed than the threshold asks."""
    signed = good(payload, signatures, keys, where)
    if len(signed) < threshold:
        what = f"{len(signed)} of {threshold} signatures are there"
        raise Refused("approvals-missing", what, where=where, do="let another approver sign")
    return signed
