"""Copy a home while a server writes to it: first the rows of one moment, then every file that they name.

Files never change and `gc` keeps away, so whatever the rows named is still there when its turn comes. What is written
meanwhile is the next backup's. A backup shares no bytes with its home: every file is copied, and the copy read again.

A backup is a home: a server can run on it (and makes it a home like any other), `fsck` checks it. A second one to the
same place reads what is there, adds what is new or damaged and then replaces the rows; interrupted, it leaves the one
before as it was, and repeated it goes on where it ended. Restoring is the same copy to a new place. Keys are not
copied: a restored home makes its own unless they are given. Content that was imported stays where it lies, unless it is
asked for; whether it still does is looked at.

What is lost in the home is taken from nowhere: an object that the backup has already is kept, any other is named.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from infra.lakefs.errors import DamagedError, HomeError
from infra.lakefs.home import BACKUP, make_shards
from infra.lakefs.store.contents import UNKNOWN
from infra.lakefs.store.durable import fsync_folder, write_durable
from infra.lakefs.store.hashing import FLAGS, Identity, identity
from infra.lakefs.store.migrate import read_layout
from infra.lakefs.store.ranges import read_range
from infra.lakefs.store.reach import Names, Say, note, outside
from infra.lakefs.store.snapshot import Snapshot, connect, maintained, snapshot, undisturbed
from infra.lakefs.store.sources import Source
from infra.lakefs.store.trees import read_tree

OWN = {"temp", "lock", "maintenance.lock"}  # what may be in a folder before it is claimed


@dataclass
class Copied:
    """Files by what became of them; `outside` is imported content that stayed where it lies, `lost` what is missing
    or damaged in the home, or where it was imported from, and nowhere in the copy."""

    copied: int = 0
    already_there: int = 0
    outside: int = 0
    bytes: int = 0
    lost: list[str] = field(default_factory=list)


def backup(folder: Path, target: Path, *, imported: bool = False, say: Say = lambda _: None) -> Copied:
    """Bring `target` to what `folder` holds now; HomeError when that cannot be known or written."""
    folder, target = folder.absolute(), target.absolute()
    read_layout(folder)
    _refuse_nested(folder, target)
    with undisturbed(folder), _claimed(target, {"home": str(folder)}):
        done = _copy(folder, target, imported, say)
        write_durable(target / "temp", target / BACKUP, _noted({"home": str(folder)}, complete=True))
        fsync_folder(target)
    return done


def restore(source: Path, folder: Path, say: Say = lambda _: None) -> Copied:
    """Make a new home of a backup; HomeError unless `folder` is absent, empty, or this restore, interrupted."""
    source, folder = source.absolute(), folder.absolute()
    noted = _read_note(source)
    if not noted or not noted.get("complete"):
        raise HomeError(f"{source} holds no finished backup: repeat the backup, or choose another")
    _refuse_nested(source, folder)
    with undisturbed(source), _claimed(folder, {"backup": str(source)}):
        done = _copy(source, folder, imported=False, say=say)
        (folder / BACKUP).unlink()
        fsync_folder(folder)
    return done


def _refuse_nested(source: Path, target: Path) -> None:
    one, other = source.resolve(), target.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise HomeError(f"{target} and {source} lie one in the other: choose a folder beside")


@contextmanager
def _claimed(target: Path, origin: dict[str, str]) -> Iterator[None]:
    """The target, locked, prepared, and known to be ours: empty, or begun by the same command."""
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        noted = _read_note(target)
        if noted is None and {path.name for path in target.iterdir()} - OWN:
            raise HomeError(f"{target} is not empty and no backup: choose another folder")
        if noted is not None and noted.items() & origin.items() != origin.items():
            raise HomeError(f"{target} was made from something else ({noted}): choose another folder")
        with maintained(target, alone=True), FileLock(target / "lock", timeout=0):
            (target / "temp").mkdir(exist_ok=True)
            for left in (target / "temp").iterdir():
                left.unlink()
            if noted is None:
                write_durable(target / "temp", target / BACKUP, _noted(origin, complete=False))
            make_shards(target)
            fsync_folder(target)
            yield
    except Timeout:
        raise HomeError(f"a server or a backup works on {target}: stop it, or choose another folder") from None
    except OSError as error:
        raise HomeError(
            f"{target} cannot be written ({error.strerror}): free space or choose another folder"
        ) from error


def _noted(origin: dict[str, str], *, complete: bool) -> bytes:
    return json.dumps({"schema": "lakefs-backup@1", **origin, "complete": complete}).encode()


def _read_note(folder: Path) -> dict[str, Any] | None:
    try:
        noted = json.loads((folder / BACKUP).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise HomeError(f"{folder / BACKUP} is unreadable: choose another folder") from error
    if not isinstance(noted, dict) or noted.get("schema") != "lakefs-backup@1":
        raise HomeError(f"{folder / BACKUP} is of another kind: choose another folder")
    return noted


def _copy(folder: Path, target: Path, imported: bool, say: Say) -> Copied:
    """The database is taken first and put in place last, so that what is in place always has all its files."""
    rows = target / "temp" / "refs.sqlite"
    _copy_database(folder / "refs.sqlite", rows)
    done = Copied()
    with snapshot(folder, rows) as home:
        names = Names()
        try:
            note(names, home, set(), say)
        except DamagedError as error:
            raise HomeError(f"{folder} is damaged, see fsck: {error}") from error
        _copy_files(home, target, names, imported, done, say)
    marker = (folder / "lakefs.json").read_bytes()
    for stale in ("refs.sqlite-journal", "refs.sqlite-wal", "refs.sqlite-shm"):
        (target / stale).unlink(missing_ok=True)  # SQLite would mix the earlier rows into the new ones
    fsync_folder(target)
    rows.replace(target / "refs.sqlite")
    write_durable(target / "temp", target / "lakefs.json", marker)
    fsync_folder(target)
    return done


def _copy_database(source: Path, target: Path) -> None:
    with closing(connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        try:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode=DELETE")  # one file that says it all
        except sqlite3.Error as error:
            raise HomeError(f"{source} cannot be copied ({error}): free space, or see fsck") from error
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _copy_files(home: Snapshot, target: Path, names: Names, imported: bool, done: Copied, say: Say) -> None:
    place = Snapshot(target, home.connection, home.blobs, home.ranges, home.trees)
    wanted = [("trees", name) for name in sorted(names.trees)] + [("ranges", name) for name in sorted(names.ranges)]
    wanted += [("blobs", sha256.hex()) for sha256 in sorted(names.blobs) if sha256 != UNKNOWN]
    temp, filled = target / "temp" / "file", set[Path]()
    for number, (kind, name) in enumerate(wanted, 1):
        file, copy = home.path(kind, name), place.path(kind, name)
        if _holds(copy, kind, name):
            done.already_there += 1
        else:
            problem = _bring(file, copy, temp, kind, name, done)
            for source in outside(home, bytes.fromhex(name)) if problem and kind == "blobs" else ():
                problem = _changed(source, name)
                if problem is None and (imported or copy.exists()):  # what is damaged there would hide the source
                    problem = _bring(Path(source.path), copy, temp, kind, name, done)
                elif problem is None:
                    done.outside += 1
                if problem is None:
                    break
                problem = f"was imported from {source.path}, which {problem}"
            done.lost += [f"{kind[:-1]} {name} {problem}"] if problem else []
        filled.add(copy.parent)
        say(f"{number} of {len(wanted)} files, {done.bytes / 1e9:.2f} GB")
    for shard in filled:
        fsync_folder(shard)


def _bring(file: Path, copy: Path, temp: Path, kind: str, name: str, done: Copied) -> str | None:
    """Put a file into the copy, whole or not at all; what is wrong with it, if anything."""
    if isinstance(found := _look(file), str):
        return found
    temp.unlink(missing_ok=True)
    shutil.copyfile(file, temp)
    with temp.open("rb") as written:
        os.fsync(written.fileno())
    if not _holds(temp, kind, name):
        temp.unlink()
        return "holds other bytes than its name says"
    done.bytes += temp.stat().st_size
    temp.replace(copy)
    done.copied += 1
    return None


def _holds(path: Path, kind: str, name: str) -> bool:
    """Whether a file is there and holds what its name in the store says."""
    try:
        if kind == "blobs":
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == name
        (read_range if kind == "ranges" else read_tree)(path, name)
    except (DamagedError, OSError):
        return False
    return True


def _changed(source: Source, sha256: str) -> str | None:
    """What is wrong with an imported file, if anything; one that is as it was when it was hashed is not read."""
    found = _look(Path(source.path))
    if isinstance(found, str):
        return found
    whole = found == source.identity or (found[0] == source.identity[0] and _holds(Path(source.path), "blobs", sha256))
    return None if whole else "changed after its import"


def _look(file: Path) -> Identity | str:
    """What a file is recognised by; else why it cannot be read."""
    try:
        descriptor = os.open(file, FLAGS)
        try:
            return identity(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
