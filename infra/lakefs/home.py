"""The folder a server owns: a layout version, one server at a time, keys that only the owner reads.

lakefs.json        {"layout": 2}; a home of an earlier layout is migrated at start
lock               held while a server runs
collection.*       held while files are put and named, or removed (store/collection.py)
maintenance.lock   held by fsck, gc and backup
server.json        where it listens, while it runs
credentials.json   generated keys, mode 0600 (absent when keys are given)
signing.key        what signs addresses, URLs and scoped tokens, mode 0600; they end when it is removed
refs.sqlite        repositories, refs, commits, staging
blobs/ab/…         objects by sha256
ranges/ab/…        Parquet ranges by the hash of their rows
trees/ab/…         metaranges: lists of ranges, by the hash of the list
temp/              files being written; emptied at start
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict

from filelock import FileLock, Timeout

from infra.lakefs.errors import HomeError, HomeTakenError
from infra.lakefs.store.database import SCHEMA
from infra.lakefs.store.durable import fsync_folder, write_durable
from infra.lakefs.store.migrate import LAYOUT, migrate_file, read_layout

SECRET_BYTES = 32
ANNOUNCED = "server.json"
CREDENTIALS = "credentials.json"
BACKUP = "backup.json"  # in a folder that is one, or is becoming one
SHARDED = ("blobs", "ranges", "trees")


@dataclass(frozen=True)
class Credentials:
    key: str
    secret: str


class Ready(TypedDict):
    """Where a server listens, as it says when it is ready."""

    url: str
    pid: int
    home: str


class Announced(TypedDict):
    """What `server.json` says of the running server."""

    url: str
    pid: int
    offers: list[str]


class Home:
    """An opened and locked home; a context manager that gives the lock back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise HomeTakenError(
                f"another server already runs on {self.folder}{self._running()}: use or stop it"
            ) from None
        except OSError as error:
            raise HomeError(f"{self.folder} cannot be used as a home: {error.strerror}") from error
        try:
            self._prepare()
        except OSError as error:
            self._lock.release()
            raise HomeError(f"{self.folder} cannot be prepared: {error.strerror}") from error
        except HomeError:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._announced.unlink(missing_ok=True)
        self._lock.release()

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    @property
    def database(self) -> Path:
        return self.folder / "refs.sqlite"

    def announce(self, url: str, offers: Sequence[str] = ()) -> None:
        """Leave word of where the server listens and what it offers, for others who start one here."""
        said = Announced(url=url, pid=os.getpid(), offers=list(offers))
        write_durable(self.temp, self._announced, json.dumps(said).encode())

    @property
    def _announced(self) -> Path:
        return self.folder / ANNOUNCED

    def _running(self) -> str:
        try:
            said = json.loads(self._announced.read_bytes())
            return f" (process {said['pid']}, {said['url']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""  # it is only just starting

    def credentials(self) -> Credentials:
        """The keys of this home, generated at the first call."""
        kept = kept_credentials(self.folder)
        if kept is not None:
            return kept
        made = Credentials("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
        said = {"access_key_id": made.key, "secret_access_key": made.secret}
        write_durable(self.temp, self.folder / CREDENTIALS, json.dumps(said).encode(), mode=0o600)
        fsync_folder(self.folder)
        return made

    def secret(self) -> bytes:
        """What signs addresses, URLs and tokens: random, of this home alone, made at the first call."""
        path = self.folder / "signing.key"
        if not path.exists():
            write_durable(self.temp, path, secrets.token_bytes(SECRET_BYTES), mode=0o600)
            fsync_folder(self.folder)
        found = path.read_bytes()
        if len(found) != SECRET_BYTES:
            raise HomeError(f"{path} does not hold {SECRET_BYTES} bytes: remove it; what was signed with it ends")
        return found

    def _prepare(self) -> None:
        marker = self.folder / "lakefs.json"
        layout = read_layout(self.folder) if marker.exists() else LAYOUT
        if marker.exists():
            if not self.database.exists() and any((self.folder / "blobs").glob("*/*")):
                raise HomeError(f"{self.folder} holds objects but no {self.database.name}: restore that file")
        elif (self.folder / BACKUP).exists():
            raise HomeError(f"{self.folder} is an unfinished backup or restore: finish it, or choose another folder")
        elif self.database.exists():
            raise HomeError(f"{self.folder} holds a store without {marker.name}: restore that file")
        if not marker.exists():
            self.folder.chmod(0o700)  # also where the folder was there before
        self.temp.mkdir(exist_ok=True)
        # a home that a server ran on is no backup any more: the next backup must not replace its rows
        for left in (*self.temp.iterdir(), self._announced, self.folder / BACKUP):
            left.unlink(missing_ok=True)
        if not marker.exists():
            make_shards(self.folder)
        elif layout < LAYOUT and self.database.exists():
            migrate_file(self.database, SCHEMA)
        if not marker.exists() or layout < LAYOUT:
            made = marker.stat().st_mtime_ns if marker.exists() else time.time_ns()  # its time says how old the home is
            write_durable(self.temp, marker, json.dumps({"layout": LAYOUT}).encode())
            os.utime(marker, ns=(made, made))
            fsync_folder(self.folder)


def make_shards(folder: Path) -> None:
    """The folders that the store's files lie in, by the first two digits of their names."""
    for name in SHARDED:
        for shard in range(256):
            (folder / name / f"{shard:02x}").mkdir(parents=True, exist_ok=True)
        fsync_folder(folder / name)


def kept_credentials(folder: Path) -> Credentials | None:
    """The keys that were generated in this folder, or None."""
    path = folder / CREDENTIALS
    try:
        read = json.loads(path.read_bytes())
        return Credentials(read["access_key_id"], read["secret_access_key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(f"{path} holds no readable keys ({error}): restore it, or remove it for new keys") from error


def environment_credentials() -> Credentials | None:
    """Keys given in the environment, or None; one without the other is refused."""
    key, secret = os.environ.get("LAKEFS_ACCESS_KEY_ID"), os.environ.get("LAKEFS_SECRET_ACCESS_KEY")
    return chosen_credentials(key, secret, "LAKEFS_ACCESS_KEY_ID and LAKEFS_SECRET_ACCESS_KEY")


def chosen_credentials(key: str | None, secret: str | None, names: str) -> Credentials | None:
    if bool(key) != bool(secret):
        raise HomeError(f"{names} belong together: give both or none")
    return Credentials(key, secret) if key and secret else None
