"""Read everything again and say what is not what its name says, and whom that concerns.

Every row, tree, range and blob is looked at, also those that nothing names: a blob that is damaged today would be taken
for stored content tomorrow. Imported content is read where it lies. Nothing is changed, nothing waits; beside a running
server it sees the home of the moment it began.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

from infra.lakefs.errors import DamagedError, ForbiddenError, InvalidError, NotFoundError
from infra.lakefs.store import commits
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.contents import UNKNOWN
from infra.lakefs.store.entries import Entry, row_digests
from infra.lakefs.store.folders import Folders
from infra.lakefs.store.hashing import Hashed, digest_file
from infra.lakefs.store.ranges import cuts, is_cut
from infra.lakefs.store.reach import CommitKey, Say, outside, staged
from infra.lakefs.store.snapshot import Snapshot
from infra.lakefs.store.trees import Tree

THREADS = os.cpu_count() or 1


@dataclass(frozen=True)
class Damage:
    """`kind` is database, ref, commit, staged, tree, range, object, blob or source; `name` is what the store calls it.

    `key` is the damaged thing for the search of what it reaches: a commit's repository and id, a tree's or a range's
    id, a blob's sha256; None where `name` says it all.
    """

    kind: str
    name: str
    problem: str
    key: CommitKey | str | bytes | None = None


@dataclass
class Findings:
    """`checked` counts what was read, by kind; `unnamed` files are of use to nobody and `gc`'s business."""

    damage: list[Damage] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    unnamed: int = 0

    def count(self, kind: str, number: int = 1) -> None:
        self.checked[kind] = self.checked.get(kind, 0) + number


def fsck(home: Snapshot, say: Say = lambda _: None, folders: Folders | None = None) -> Findings:
    """Everything that is damaged or missing; empty `damage` means that every digest was computed again and is right.

    With the `folders` that a server may import from, imported content is read as that server would read it.
    """
    findings = Findings()
    try:
        _check_database(home, findings)
        known = _check_commits(home, findings)
        _check_refs(home, findings, known)
        named = _Objects(findings)
        for entry in _staged(home, findings):
            named.add(f"staged '{_shown(entry.path)}'", entry)
        trees = _check_trees(home, findings, {commit.tree for commit in known.values()} - {""})
        _check_ranges(home, findings, trees, named, say)
        _check_blobs(home, findings, named.expected, say, folders)
    except sqlite3.Error as error:
        findings.damage.append(Damage("database", "refs.sqlite", f"cannot be read on: {error}"))
    return findings


class _Objects:
    """What entries say of blobs: MD5 and size, which must be the same wherever one blob is named."""

    def __init__(self, findings: Findings) -> None:
        self.expected: dict[bytes, bytes] = {}
        self._findings = findings

    def add(self, where: str, entry: Entry) -> None:
        self._findings.count("objects")
        row = (entry.path, entry.sha256, entry.md5, entry.size)
        if row_digests([row], entry.content_type, entry.metadata) != [entry.digest]:
            self._findings.damage.append(
                Damage("object", where, "its fields are not those its digest was made of", entry.sha256)
            )
        if entry.sha256 == UNKNOWN:
            return
        said = _said(entry.md5, entry.size)
        if self.expected.setdefault(entry.sha256, said) != said:
            self._findings.damage.append(
                Damage("object", where, "says another size or MD5 than other objects of the same sha256", entry.sha256)
            )


def _said(md5: bytes, size: int) -> bytes:
    return md5 + size.to_bytes(8, "big", signed=True)


def _shown(path: bytes) -> str:
    return path.decode(errors="replace")[:200]


def _check_database(home: Snapshot, findings: Findings) -> None:
    for (said,) in home.connection.execute("PRAGMA integrity_check(20)"):
        if said != "ok":
            findings.damage.append(Damage("database", "refs.sqlite", said))
    for table, _, parent, _ in home.connection.execute("PRAGMA foreign_key_check"):
        findings.damage.append(Damage("database", table, f"has a row whose row in {parent} is missing"))


def _check_commits(home: Snapshot, findings: Findings) -> dict[CommitKey, Commit]:
    found: dict[CommitKey, Commit] = {}
    for row in home.connection.execute("SELECT * FROM commits"):
        findings.count("commits")
        key = (row["repository"], row["id"])
        try:
            found[key] = commits.from_row(row)
            right = commits.commit_id(found[key]) == key[1]
        except (ValueError, TypeError) as error:
            findings.damage.append(Damage("commit", key[1], f"cannot be read: {error}", key))
            continue
        if not right:
            findings.damage.append(Damage("commit", key[1], "says something else than its id was made of", key))
    for key, commit in found.items():
        parents = [found.get((key[0], parent)) for parent in commit.parents]
        findings.damage += [
            Damage("commit", name, f"is missing, a parent of {key[1]}", key)
            for name, parent in zip(commit.parents, parents, strict=True)
            if parent is None
        ]
        if None not in parents and commit.generation != 1 + max((p.generation for p in parents if p), default=0):
            findings.damage.append(Damage("commit", key[1], "has another generation than its parents give it", key))
    return found


def _check_refs(home: Snapshot, findings: Findings, known: Iterable[CommitKey]) -> None:
    for kind, table in (("branch", "branches"), ("tag", "tags")):
        for repository, name, head in home.connection.execute(f"SELECT repository, name, head FROM {table}"):  # noqa: S608
            findings.count(table)
            if (repository, head) not in known:
                findings.damage.append(Damage("ref", f"{kind} {name} of {repository}", f"names the missing {head}"))
    branches = {tuple(row) for row in home.connection.execute("SELECT repository, name FROM branches")}
    for repository, branch in home.connection.execute("SELECT id, default_branch FROM repositories"):
        if (repository, branch) not in branches:
            findings.damage.append(Damage("ref", f"branch {branch} of {repository}", "is missing, the default branch"))


def _staged(home: Snapshot, findings: Findings) -> Iterator[Entry]:
    names = ("path", "sha256", "md5", "size", "mtime", "content_type", "metadata", "digest")
    for row in staged(home):
        findings.count("staged")
        yield Entry(*(row[name] for name in names))


def _check_trees(home: Snapshot, findings: Findings, named: set[str]) -> dict[str, Tree]:
    """The named trees. What a tree names that nothing names may be gone already, so only its own digest counts."""
    found: dict[str, Tree] = {}
    stored = {identifier for identifier, _ in home.files("trees")}
    for identifier in sorted(named | stored):
        findings.count("trees")
        findings.unnamed += identifier not in named
        try:
            tree = home.trees.load(identifier)
        except (DamagedError, ValueError, KeyError, OSError) as error:
            findings.damage.append(Damage("tree", identifier, str(error), identifier))
            continue
        if any(left.last >= right.first or not is_cut(left.last) for left, right in pairwise(tree.ranges)):
            findings.damage.append(Damage("tree", identifier, "its ranges are out of order or wrongly cut", identifier))
        if identifier in named:
            found[identifier] = tree
    return found


def _check_ranges(home: Snapshot, findings: Findings, trees: dict[str, Tree], named: _Objects, say: Say) -> None:
    infos = {info.id: info for tree in trees.values() for info in tree.ranges}
    stored = {identifier for identifier, _ in home.files("ranges")}
    for number, identifier in enumerate(sorted(infos.keys() | stored), 1):
        findings.count("ranges")
        findings.unnamed += identifier not in infos
        info = infos.get(identifier)
        holds = f" ({info.count} objects from '{_shown(info.first)}' to '{_shown(info.last)}')" if info else ""
        try:
            rows = home.ranges.load(identifier)
            paths: list[bytes] = rows.paths.to_pylist()
            entries = list(rows.entries())
        except (DamagedError, ValueError, OSError) as error:
            findings.damage.append(Damage("range", identifier, f"{error}{holds}", identifier))
            continue
        if any(a >= b for a, b in pairwise(paths)) or cuts(paths[:-1]):
            findings.damage.append(Damage("range", identifier, f"its rows are out of order{holds}", identifier))
        if info and (info.first, info.last, info.count) != (paths[0], paths[-1], len(paths)):
            findings.damage.append(Damage("range", identifier, f"is not what its tree says{holds}", identifier))
        for entry in entries if info else ():
            named.add(f"'{_shown(entry.path)}' of range {identifier}", entry)
        say(f"{number} of {len(infos.keys() | stored)} ranges read, {len(named.expected)} objects named")


def _check_blobs(
    home: Snapshot, findings: Findings, expected: dict[bytes, bytes], say: Say, folders: Folders | None
) -> None:
    """Hash every file once, named or not; then look for named content that no file of the store holds."""
    left = dict(expected)
    read = 0
    for identifier, got in _hashed(home.files("blobs")):
        findings.count("blobs")
        sha256, name = bytes.fromhex(identifier), f"sha256:{identifier}"
        said = left.pop(sha256, None)
        findings.unnamed += said is None
        if isinstance(got, OSError):
            findings.damage.append(Damage("blob", name, f"cannot be read: {got.strerror or got}", sha256))
            continue
        found, md5, (size, *_) = got
        read += size
        if found != sha256:
            problem = f"its {size} bytes have the digest sha256:{found.hex()}"
            findings.damage.append(Damage("blob", name, problem + ("" if said else "; nothing names it"), sha256))
        elif said is not None and said != _said(md5, size):
            findings.damage.append(Damage("blob", name, "objects say another size or MD5 of it", sha256))
        say(f"{findings.checked['blobs']} blobs read, {read / 1e9:.2f} GB; {len(left)} objects left")
    findings.count("bytes", read)
    for sha256, said in left.items():
        paths = [source.path for source in outside(home, sha256)]
        name = f"sha256:{sha256.hex()}"
        if not paths:
            findings.damage.append(Damage("blob", name, "is missing: restore it from a backup", sha256))
            continue
        findings.count("sources")
        problems = [_wrong(path, sha256, said, folders) for path in paths]
        if None not in problems:
            findings.damage.append(Damage("source", name, str(problems[0]), sha256))
        say(f"{findings.checked['sources']} imported files read")


def _wrong(path: str, sha256: bytes, said: bytes, folders: Folders | None) -> str | None:
    """What keeps an imported file from being the content, if anything."""
    try:
        place = path
        if folders is not None:
            place = folders.locate(path)
            os.close(folders.open_file(place))
        found, md5, (size, *_) = digest_file(place)
    except ForbiddenError as error:
        return f"{path} cannot be served ({error}): start the server with --allow-import"
    except (NotFoundError, FileNotFoundError):
        return f"{path} is gone: bring back what was imported"
    except InvalidError as error:
        return f"{path} cannot be read ({error}): bring back what was imported"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): bring back what was imported"
    if (found, _said(md5, size)) != (sha256, said):
        return f"{path} changed outside: bring back what was imported"
    return None


def _hashed(files: Iterator[tuple[str, Path]]) -> Iterator[tuple[str, Hashed | OSError]]:
    """Files with what they hold, hashed on threads a few ahead."""
    with ThreadPoolExecutor(THREADS) as pool:
        while ahead := [(name, pool.submit(_attempt, path)) for name, path in islice(files, 64 * THREADS)]:
            for name, hashing in ahead:
                yield name, hashing.result()


def _attempt(path: Path) -> Hashed | OSError:
    try:
        return digest_file(path)
    except OSError as error:
        return error
