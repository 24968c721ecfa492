"""Who signed: from the root provisioned by digest, through the approvers, to each document; nothing else is believed.

`fetch` runs python-tuf's client against a source. `Chain` verifies the same files again from the root, without any
source, and adds what TUF does not ask: two distinct keys for what allows, one id for one key, and no key that both
allows and chooses. A start uses the chain alone. There the approvers' roles must be unexpired, while the freshness of
what the online key signed is judged by its lease.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from securesystemslib.signer import Key
from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from infra.edge.disk import read_plain
from infra.edge.document import LIMIT, sha256, utc_text
from infra.edge.errors import EdgeError, Invalid, Refused, Unavailable, disk
from infra.edge.fetch import Source

CURRENT = "current"
TOP = ("root", "timestamp", "snapshot", "targets")
EXPIRED = (
    "fetch from the catalog itself; if it is the same, publish again; "
    "if this device's floor (`assay-edge status`) is ahead of real time, provision anew"
)
ALLOWING = 2  # distinct keys behind a root, the approvers' targets, and the role of a class
LIMITS = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=8,
    root_max_length=2**20,
    timestamp_max_length=64 * 1024,
    snapshot_max_length=8 * 2**20,
    targets_max_length=64 * 2**20,
)
S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
Files = Mapping[str, bytes]


def root_of(data: bytes, digest: str) -> Root:
    """The provisioned root; refuses one with another digest, and what is no root signed by two of its own keys."""
    if sha256(data) != digest:
        what = f"the root has digest {sha256(data)}, not {digest}"
        raise Refused("root-digest-mismatch", what, "take both from people who hold root keys, not from the network")
    try:
        with refusals():
            parsed = _parse(Root, data, "root")
            parsed.signed.verify_delegate("root", parsed.signed_bytes, parsed.signatures)
            _two_people(parsed.signed)
    except Refused as error:
        raise Invalid("root-invalid", f"not a root to start from: {error.what}", error.do) from error
    return parsed.signed


class Fetched:
    """One run of python-tuf's client in a folder of its own, seeded with what the device keeps."""

    def __init__(self, folder: Path, kept: Files, root: bytes, digest: str, source: Source, at: datetime) -> None:
        root_of(root, digest)
        with disk():
            (folder / "root_history").mkdir(parents=True)
            for name, data in kept.items():
                (folder / _file(name)).write_bytes(data)
        self.folder, self._source, self._at = folder, source, at
        with refusals(), disk():
            self._updater = Updater(
                str(folder), f"{source.base}/metadata/", fetcher=source, config=LIMITS, bootstrap=root
            )
            # The judged time, not the process's clock; `Chain` judges again, so this can only say no earlier.
            self._updater._trusted_set.reference_time = at
        with self._refusals():
            self._updater.refresh()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """As `refusals`; what expired is named with both times."""
        with refusals(), disk():
            try:
                yield
            except tuf.ExpiredMetadataError:
                read = self._updater._trusted_set
                _unexpired({name: read[name] for name in TOP if name in read}, self._at)
                raise

    def target(self, path: str) -> bytes | None:
        """The verified bytes of a target, or None where nobody signed one."""
        with self._refusals():
            found = self._updater.get_targetinfo(path)
            if found is None:
                return None
            out = self.folder / "target"
            self._updater.download_target(found, str(out), f"{self._source.base}/targets/")
            return out.read_bytes()

    def files(self, device_class: str) -> dict[str, bytes]:
        """The metadata of a class by name. Its own role, which is large, is judged once: by `Chain`."""
        names = [f"root.{path.name.partition('.')[0]}" for path in (self.folder / "root_history").iterdir()]
        found = {name: self.folder / _file(name) for name in (*names, "timestamp", "snapshot", "targets", CURRENT)}
        files = {name: path.read_bytes() for name, path in found.items() if path.is_file()}
        with refusals():
            listed = _parse(Snapshot, files["snapshot"], "snapshot").signed.meta.get(f"{device_class}.json")
            if listed is None:
                what = f"the repository knows no class {device_class}"
                raise Refused("class-mismatch", what, "let an approver add the class, or provision another")
            role = read_plain(self.folder / _file(device_class), LIMIT)
            if role is None or _version(role) != listed.version:
                name = f"{listed.version}.{_file(device_class)}"
                limit = listed.length or LIMITS.targets_max_length
                role = self._source.download_bytes(f"{self._source.base}/metadata/{name}", limit)
        return {**files, device_class: role}

    def manifest(self, target: TargetFile) -> bytes:
        """The bytes under the name of a target that approvers signed; `Chain` says whether they are it."""
        folder, _, name = target.path.rpartition("/")
        with refusals():
            url = f"{self._source.base}/targets/{folder}/{target.hashes['sha256']}.{name}"
            return self._source.download_bytes(url, target.length)


def _file(name: str) -> str:
    role, _, version = name.partition(".")
    return f"root_history/{version}.root.json" if role == "root" else f"{quote(name, '')}.json"


def _version(role: bytes) -> int:
    """The version of a kept role, which only says whether a newer one has to be fetched."""
    try:
        return int(json.loads(role)["signed"]["version"])
    except (ValueError, KeyError, TypeError):
        return 0


class Chain:
    """The roles of one class, verified from the root; `fresh` asks that nothing at all is expired."""

    def __init__(self, root: bytes, digest: str, files: Files, device_class: str, at: datetime, *, fresh: bool) -> None:
        if device_class in {"root", "timestamp", "snapshot", "targets", CURRENT}:
            raise Refused("class-mismatch", f"no class is named {device_class}", "provision with another class")
        first = root_of(root, digest)
        with refusals():
            top = _newest_root(first, files)
            timestamp = _role(Timestamp, files, "timestamp", top)
            snapshot = _role(Snapshot, files, "snapshot", top)
            _as_listed("snapshot", snapshot, timestamp.snapshot_meta, files)
            targets = _role(Targets, files, "targets", top)
            if targets.delegations is None:
                raise Refused("metadata-invalid", "the approvers delegated nothing", "publish the repository again")
            self.allowed = _role(Targets, files, device_class, targets)
            self.chosen = _role(Targets, files, CURRENT, targets)
            for name, role in (("targets", targets), (device_class, self.allowed), (CURRENT, self.chosen)):
                _as_listed(name, role, snapshot.meta.get(f"{name}.json"), files)
            _two_people(top)
            _allowing_keys(top, targets, device_class)
        _unexpired({"root": top, "targets": targets, device_class: self.allowed}, at)
        if fresh:
            _unexpired({"timestamp": timestamp, "snapshot": snapshot, CURRENT: self.chosen}, at)

    def listed(self, path: str) -> TargetFile | None:
        """The target that the approvers signed under this path."""
        return self.allowed.targets.get(path)

    def custom(self, path: str) -> dict[str, Any] | None:
        """What the approvers' signed target says, or None where they signed none."""
        found = self.allowed.targets.get(path)
        return None if found is None else dict(found.custom or {})

    def allowed_target(self, path: str, data: bytes) -> bytes:
        """These bytes, when they are the target that the approvers signed."""
        return _is_target(self.allowed.targets, path, data)

    def chosen_target(self, path: str, data: bytes) -> bytes:
        """These bytes, when they are the target that the online key signed."""
        return _is_target(self.chosen.targets, path, data)


def _newest_root(root: Root, files: Files) -> Root:
    versions = sorted(int(name[5:]) for name in files if name.startswith("root.") and name[5:].isdecimal())
    for version in (v for v in versions if v > root.version):
        parsed = _parse(Root, files[f"root.{version}"], "root")
        if parsed.signed.version != root.version + 1 or version != parsed.signed.version:
            raise Refused("metadata-mixed", f"root {version} does not follow root {root.version}", "pull again")
        root.verify_delegate("root", parsed.signed_bytes, parsed.signatures)
        parsed.signed.verify_delegate("root", parsed.signed_bytes, parsed.signatures)
        root = parsed.signed
    return root


def _role(kind: type[S], files: Files, name: str, delegator: Root | Targets) -> S:
    if name not in files:
        raise Refused("metadata-mixed", f"there is no signed {name}", "pull again; if it stays, publish again")
    parsed = _parse(kind, files[name], name)
    delegator.verify_delegate(name, parsed.signed_bytes, parsed.signatures)
    return parsed.signed


def _parse(kind: type[S], data: bytes, name: str) -> Metadata[S]:
    parsed: Metadata[S] = Metadata.from_bytes(data)
    if not isinstance(parsed.signed, kind):
        raise Refused("metadata-invalid", f"{name} is {parsed.signed.type} metadata", "publish the repository again")
    return parsed


def _as_listed(name: str, signed: Snapshot | Targets, listed: MetaFile | None, files: Files) -> None:
    if listed is None or signed.version != listed.version:
        what = f"{name} is version {signed.version}, but version {listed.version if listed else 'none'} is listed"
        raise Refused("metadata-mixed", what, "pull again from one whole copy")
    listed.verify_length_and_hashes(files[name])


def _unexpired(roles: Mapping[str, Signed], at: datetime) -> None:
    """Refuse what expired at the time that counts: the clock, or the floor where that is later."""
    for name, signed in roles.items():
        if signed.is_expired(at):
            what = f"{name} expired at {utc_text(signed.expires)}; here it is {utc_text(at)}"
            raise Refused("metadata-expired", what, EXPIRED)


def _is_target(targets: Mapping[str, TargetFile], path: str, data: bytes) -> bytes:
    found = targets.get(path)
    if found is None:
        raise Refused("metadata-mixed", f"no signed metadata names {path}", "pull again")
    if found.length != len(data) or found.hashes.get("sha256") != hashlib.sha256(data).hexdigest():
        raise Refused("metadata-mixed", f"{path} is not what was signed", "pull again")
    return data


def _two_people(root: Root) -> None:
    for name in ("root", "targets"):
        _distinct(name, root.roles[name].threshold, [root.keys[keyid] for keyid in root.roles[name].keyids])


def _allowing_keys(root: Root, targets: Targets, device_class: str) -> None:
    """Going live takes two, with keys that cannot also choose; going safe takes one."""
    if targets.delegations is None or targets.delegations.roles is None:
        raise Refused("metadata-invalid", "the approvers delegated nothing", "publish the repository again")
    allowing, choosing = targets.delegations.roles[device_class], targets.delegations.roles[CURRENT]
    keys = targets.delegations.keys
    _distinct(device_class, allowing.threshold, [keys[keyid] for keyid in allowing.keyids])
    online = {*choosing.keyids, *root.roles["timestamp"].keyids, *root.roles["snapshot"].keyids}
    people = {*allowing.keyids, *root.roles["targets"].keyids}
    if online & people or set(root.roles["root"].keyids) & (online | people):
        what = "one key both allows and chooses, or is a root key too"
        raise Refused("metadata-invalid", what, "one key has one role: rotate, and publish again")


def _distinct(name: str, threshold: int, keys: Iterable[Key]) -> None:
    material = set()
    for key in keys:
        raw = str(key.keyval.get("public", ""))
        if key.keytype != "ed25519" or key.keyid != hashlib.sha256(_bytes(raw)).hexdigest():
            what = f"a key of {name} is not Ed25519, or not named by the sha256 of its raw bytes"
            raise Refused("metadata-invalid", what, "rotate that key, and publish again")
        material.add(raw.lower())
    if threshold < ALLOWING or len(material) < ALLOWING:
        what = f"{name} asks for {threshold} of {len(material)} distinct keys; a device takes nothing below {ALLOWING}"
        raise Refused("metadata-invalid", what, "let two people sign, each with their own key")


def _bytes(raw: str) -> bytes:
    try:
        return bytes.fromhex(raw)
    except ValueError:
        return b""


_FAULTS: tuple[tuple[type[Exception], str, Callable[[Exception], str], str], ...] = (
    (tuf.UnsignedMetadataError, "metadata-unsigned", lambda e: f"not signed as it must be: {e}", "look who signed it"),
    (
        tuf.ExpiredMetadataError,
        "metadata-expired",
        lambda e: f"expired here: {e}",
        EXPIRED,
    ),
    (
        tuf.BadVersionNumberError,
        "metadata-replayed",
        lambda e: f"other than the version that must follow: {e}",
        "fetch from the catalog itself, not from an old copy",
    ),
    (
        tuf.LengthOrHashMismatchError,
        "metadata-mixed",
        lambda e: f"files that do not belong together: {e}",
        "fetch from one whole copy",
    ),
)


@contextmanager
def refusals() -> Iterator[None]:
    """Say what python-tuf refuses as refusals of the device."""
    try:
        yield
    except EdgeError:
        raise
    except tuf.DownloadLengthMismatchError as error:
        raise Refused("metadata-mixed", f"longer than signed: {error}", "fetch from one whole copy") from error
    except tuf.DownloadHTTPError as error:
        what = f"the source lacks a file: {error}"
        raise Unavailable("source-incomplete", what, "copy the whole repository, or look at the service") from error
    except tuf.DownloadError as error:
        raise Unavailable("source-unreachable", f"the source does not answer: {error}", "try again later") from error
    except (tuf.RepositoryError, ValueError, KeyError, TypeError, AttributeError) as error:
        for kind, name, said, do in _FAULTS:
            if isinstance(error, kind):
                raise Refused(name, f"release metadata is {said(error)}", do) from error
        what = f"release metadata cannot be read: {type(error).__name__}: {error}"
        raise Refused("metadata-invalid", what, "publish the repository again") from error
