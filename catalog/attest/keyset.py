"""Who may sign what in a release repository, and the root and targets roles that say so.

root 2 of 3 or more; the approvers 2 for `targets` and for each class; one online key for `current`, `snapshot` and
`timestamp`. A root or targets role of any other shape is none of ours: it is rebuilt from its key set and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator
from tuf.api.metadata import DelegatedRole, Delegations, Role, Root, Signed, Targets
from tuf.api.serialization.json import CanonicalJSONSerializer

from catalog.attest.keys import keyid
from catalog.attest.roles import SPECIFICATION, YEAR, public_key
from catalog.domain.base import Entity, Slug
from catalog.domain.release import DENIED, THRESHOLD
from catalog.errors import Damaged

CURRENT = "current"
RESERVED = frozenset({"root", "targets", "snapshot", "timestamp", CURRENT, "blobs"})
ROOT_YEARS = 2 * YEAR
Public = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Keyset(Entity):
    """The raw public keys of each part, and the device classes. One key has one part."""

    root: Annotated[tuple[Public, ...], Field(min_length=3)]
    approvers: Annotated[tuple[Public, ...], Field(min_length=THRESHOLD)]
    online: Public
    device_classes: Annotated[tuple[Slug, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        keys = (*self.root, *self.approvers, self.online)
        if len(set(keys)) != len(keys):
            raise ValueError("a key has two parts in the repository")
        if len(set(self.device_classes)) != len(self.device_classes) or RESERVED & set(self.device_classes):
            raise ValueError(f"device classes are distinct and none of {', '.join(sorted(RESERVED))}")
        return self

    def may_sign(self, role: str) -> dict[str, str]:
        """The delegated keys of a role, id → raw public."""
        if role == "root":
            keys: tuple[str, ...] = self.root
        elif role in {CURRENT, "snapshot", "timestamp"}:
            keys = (self.online,)
        else:
            keys = self.approvers
        return {keyid(public): public for public in keys}


def threshold(role: str) -> int:
    """How many distinct keys must sign a role."""
    return 1 if role in {CURRENT, "snapshot", "timestamp"} else THRESHOLD


def root_payload(keys: Keyset, version: int, expires: datetime) -> bytes:
    """The signed bytes of a root role."""
    roles = {role: _role(keys, role) for role in ("root", "targets", "snapshot", "timestamp")}
    known = {i: public_key(p) for role in roles for i, p in keys.may_sign(role).items()}
    root = Root(version, SPECIFICATION, expires, known, roles, consistent_snapshot=True)
    return signed_bytes(root)


def targets_payload(keys: Keyset, version: int, expires: datetime) -> bytes:
    """The signed bytes of the targets role: no targets of its own, one terminating delegation a class."""
    paths = {CURRENT: [f"{CURRENT}/*", DENIED], **{name: [f"{name}/*"] for name in keys.device_classes}}
    roles = {
        name: DelegatedRole(name, sorted(keys.may_sign(name)), threshold(name), terminating=True, paths=of)
        for name, of in paths.items()
    }
    known = {i: public_key(p) for role in roles for i, p in keys.may_sign(role).items()}
    targets = Targets(version, SPECIFICATION, expires, {}, Delegations(known, roles))
    return signed_bytes(targets)


def _role(keys: Keyset, role: str) -> Role:
    return Role(sorted(keys.may_sign(role)), threshold(role))


def keyset_of(root: Root, targets: Targets) -> Keyset:
    """The key set that two roles state; raises `Damaged` where either is not exactly what we would have built."""
    try:
        delegations = targets.delegations
        if delegations is None or not delegations.roles:
            raise ValueError("the targets role delegates nothing")  # noqa: TRY301 - one way out for whatever is not as built
        keys = Keyset(
            root=_publics(root, "root"),
            approvers=_publics(root, "targets"),
            online=_publics(root, "timestamp")[0],
            device_classes=tuple(name for name in delegations.roles if name != CURRENT),
        )
        ours = [root_payload(keys, root.version, root.expires), targets_payload(keys, targets.version, targets.expires)]
    except (ValueError, KeyError, IndexError) as error:
        raise Damaged("repository-damaged", f"root and targets state no key set: {error}", where="root") from error
    if ours != [signed_bytes(root), signed_bytes(targets)]:
        raise Damaged("repository-damaged", "root and targets are not of our shape", where="targets")
    return keys


def _publics(root: Root, role: str) -> tuple[str, ...]:
    return tuple(str(root.keys[i].keyval["public"]) for i in root.roles[role].keyids)


def signed_bytes(signed: Signed) -> bytes:
    """What is signed: the canonical JSON of a role, as every TUF client computes it."""
    return bytes(CanonicalJSONSerializer().serialize(signed))


def until(at: datetime, span: timedelta) -> datetime:
    """A time in whole seconds, as TUF keeps it."""
    return (at + span).replace(microsecond=0)


def signed_file(payload: bytes, signatures: Mapping[str, str]) -> bytes:
    """A metadata file around signed bytes that stay as they are; `signatures` are keyid → hex."""
    listed = ",".join(f'{{"keyid":"{key}","sig":"{sig}"}}' for key, sig in sorted(signatures.items()))
    return b'{"signatures":[' + listed.encode() + b'],"signed":' + payload + b"}"
