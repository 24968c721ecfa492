"""The acts of the key holders together: the first set, and every later change of keys, classes and expiries.

The service prepares bytes and puts signed ones in place; the signing happens where the keys are. Whatever comes back is
rebuilt from the key set that it states and compared, so that nothing else can ride along.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError

from catalog.attest.commit import Change, commit
from catalog.attest.durable import sync, unwritable, write
from catalog.attest.keys import load, public_hex
from catalog.attest.keyset import (
    ROOT_YEARS,
    Keyset,
    keyset_of,
    root_payload,
    signed_bytes,
    signed_file,
    targets_payload,
    threshold,
    until,
)
from catalog.attest.online import Online
from catalog.attest.published import Standing, content, split
from catalog.attest.roles import YEAR, ClassRole, enough, following, good, read, sign_role
from catalog.domain.release import RoleSignature
from catalog.errors import Conflict, Damaged, Invalid, Refused

T = TypeVar("T", Root, Targets)
TOP = frozenset({"root", "targets"})
AGAIN = "make the rotation again and sign what it shows"


def begin(
    folder: Path,
    root_keys: Sequence[Path],
    approver_keys: Sequence[Path],
    online_key: Path,
    device_classes: Sequence[str],
    at: datetime,
    lease_hours: int,
) -> None:
    """The first signed set, made beside the folder and renamed into its place."""
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("already-exists", "there is a repository already", where=str(folder), do="use it")
    keys = _keyset(
        [_public(path) for path in root_keys],
        [_public(path) for path in approver_keys],
        _public(online_key),
        device_classes,
    )
    payloads = {"root": root_payload(keys, 1, until(at, ROOT_YEARS))}
    payloads["targets"] = targets_payload(keys, 1, until(at, YEAR))
    for name in keys.device_classes:
        payloads[name] = ClassRole(version=1, expires=until(at, YEAR), targets={}).canonical()
    paths = {"root": root_keys}
    files: dict[str, tuple[int, bytes]] = {}
    for name, payload in payloads.items():
        signed = [sign_role(payload, path) for path in paths.get(name, approver_keys)]
        files[name] = (1, signed_file(payload, {s.keyid: s.sig for s in signed}))
    beside = folder.with_name(f".{folder.name}.begin")
    shutil.rmtree(beside, ignore_errors=True)
    write(beside / "metadata" / "1.root.json", files.pop("root")[1])
    expires = until(at, timedelta(hours=lease_hours))
    commit(beside, None, Change(files, {}), Online.load(online_key, keys), expires)
    try:
        (beside / "targets" / "blobs").mkdir(parents=True)
        beside.rename(folder)
        sync(folder.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise unwritable(folder, error) from error


def rotation(standing: Standing, wanted: Keyset, at: datetime, *, renew: bool) -> dict[str, bytes]:
    """The bytes of each role that must be signed anew so that the wanted keys and classes hold."""
    due = {*TOP, *wanted.device_classes} if renew else _due(standing.keys, wanted)
    if not due:
        what = "there is nothing to rotate: devices know these keys and classes"
        raise Conflict("release-outdated", what, do="`assay key rotate --renew` moves expiries on")
    out: dict[str, bytes] = {}
    if "root" in due:
        out["root"] = root_payload(wanted, standing.root.version + 1, until(at, ROOT_YEARS))
    if "targets" in due:
        out["targets"] = targets_payload(wanted, standing.targets.version + 1, until(at, YEAR))
    for name in wanted.device_classes:
        if name not in standing.keys.device_classes:
            out[name] = ClassRole(version=1, expires=until(at, YEAR), targets={}).canonical()
        elif name in due:
            out[name] = following(standing.class_role(name), at).canonical()
    return out


def signers(standing: Standing, rotation: Mapping[str, bytes]) -> dict[str, tuple[Mapping[str, str], ...]]:
    """For each role the groups of keys (id → raw public) that must sign it, two of each: root old and new."""
    wanted = _wanted(standing, rotation)
    old = {"root": (standing.keys.may_sign("root"),)}
    return {role: (*old.get(role, ()), wanted.may_sign(role)) for role in rotation}


def checked(
    standing: Standing,
    rotation: Mapping[str, bytes],
    signatures: Mapping[str, Sequence[RoleSignature]],
    at: datetime,
) -> tuple[Keyset, Change | None]:
    """The key set that a signed rotation brings and what to write; no change where it holds already."""
    if holds(standing, rotation):
        return standing.keys, None
    wanted = _wanted(standing, rotation)
    _require_whole(standing, wanted, rotation)
    files: dict[str, tuple[int, bytes]] = {}
    for role, groups in signers(standing, rotation).items():
        given, payload = tuple(signatures.get(role, ())), rotation[role]
        version = _require_next(standing, role, payload, at)
        good(payload, given, {key: public for group in groups for key, public in group.items()}, role)
        for group in groups:
            enough(payload, [s for s in given if s.keyid in group], group, threshold(role), role)
        files[role] = (version, signed_file(payload, {s.keyid: s.sig for s in given}))
    root = files.pop("root", None)
    return wanted, Change(files, root=root, resign=standing.keys.online != wanted.online)


def holds(standing: Standing, rotation: Mapping[str, bytes]) -> bool:
    """Whether a rotation is in place already."""
    return bool(rotation) and all(_holds(standing, role, payload) for role, payload in rotation.items())


def _due(now: Keyset, wanted: Keyset) -> set[str]:
    """The roles that a change of keys or classes makes void."""
    gone = set(now.device_classes) - set(wanted.device_classes)
    if gone:
        what = f"class {min(gone)} would go, and its devices would find nothing"
        raise Refused("no-release-allowed", what, do="keep the class and choose no release for it")
    approvers, online = set(now.approvers) != set(wanted.approvers), now.online != wanted.online
    due = set(wanted.device_classes) - set(now.device_classes)
    if due or approvers or online:
        due |= {"targets"}
    if approvers or online or set(now.root) != set(wanted.root):
        due |= {"root"}
    return due | set(wanted.device_classes) if approvers else due


def _wanted(standing: Standing, rotation: Mapping[str, bytes]) -> Keyset:
    try:
        root = _parsed(rotation["root"], Root) if "root" in rotation else standing.root
        targets = _parsed(rotation["targets"], Targets) if "targets" in rotation else standing.targets
        return keyset_of(root, targets)
    except (Damaged, DeserializationError) as error:
        raise Invalid("trust-invalid", f"the rotation states no key set: {error}", do=AGAIN) from error


def _require_whole(standing: Standing, wanted: Keyset, rotation: Mapping[str, bytes]) -> None:
    missing = _due(standing.keys, wanted) - rotation.keys()
    unknown = rotation.keys() - {*TOP, *wanted.device_classes}
    if missing or unknown or not rotation:
        what = f"the rotation must sign {', '.join(sorted(missing)) or 'known roles only'}"
        raise Invalid("trust-invalid", what, do=AGAIN)


def _require_next(standing: Standing, role: str, payload: bytes, at: datetime) -> int:
    """The version of a role's bytes: the next one, unexpired, and for a class with the published releases only."""
    if role in TOP:
        signed = _parsed(payload, Root) if role == "root" else _parsed(payload, Targets)
        version, expires = signed.version, signed.expires
        now = standing.root.version if role == "root" else standing.version(role)
        same = signed_bytes(signed) == payload
    else:
        found = read(role, payload)
        version, expires, now = found.version, found.expires, standing.version(role)
        same = found.targets == (standing.class_role(role).targets if now else {})
    if version != now + 1:
        what = f"the rotation makes {role} version {version}, the published one is {now}"
        raise Conflict("release-outdated", what, where=role, do=AGAIN)
    if not same or expires <= at:
        raise Invalid("trust-invalid", f"the rotation changes what {role} lists, or has expired", where=role, do=AGAIN)
    return version


def _holds(standing: Standing, role: str, payload: bytes) -> bool:
    version = standing.root.version if role == "root" else standing.version(role)
    path = standing.metadata / f"{version}.{role}.json"
    return version > 0 and split(content(path))[0] == payload


def _parsed(payload: bytes, kind: type[T]) -> T:
    found = Metadata[T].from_bytes(signed_file(payload, {})).signed
    if not isinstance(found, kind):
        raise Invalid("trust-invalid", f"not a {kind.type} role", do=AGAIN)
    return found


def _keyset(root: Sequence[str], approvers: Sequence[str], online: str, classes: Sequence[str]) -> Keyset:
    return Keyset.of(
        {"root": list(root), "approvers": list(approvers), "online": online, "device_classes": list(classes)}
    )


def _public(path: Path) -> str:
    return public_hex(load(path))
