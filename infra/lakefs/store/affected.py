"""Whom a damage concerns: the commits whose content it is part of, their paths, the branches and tags above them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.fsck import Damage
from infra.lakefs.store.reach import CommitKey, staged
from infra.lakefs.store.snapshot import Snapshot

LISTED = 20  # of anything that may be many
EXPLAINED = 200  # damages whose reach is looked up


def affected(home: Snapshot, damage: Sequence[Damage]) -> list[dict[str, Any]]:
    """Each damage as JSON, with what it reaches: `total` counts, `first` lists no more than `LISTED`."""
    found = _Reach(home, damage[:EXPLAINED]) if damage else None
    return [
        {"kind": item.kind, "name": item.name, "problem": item.problem, **(found.of(item) if found else {})}
        for item in damage[:EXPLAINED]
    ]


class _Reach:
    def __init__(self, home: Snapshot, damage: Iterable[Damage]) -> None:
        self._commits_of: dict[str, set[CommitKey]] = defaultdict(set)
        self._children: dict[CommitKey, list[CommitKey]] = defaultdict(list)
        for repository, identifier, parents, tree in home.connection.execute(
            "SELECT repository, id, parents, tree FROM commits"
        ):
            self._commits_of[tree].add((repository, identifier))
            for parent in json.loads(parents):
                self._children[repository, parent].append((repository, identifier))
        self._trees_of: dict[str, set[str]] = defaultdict(set)
        for tree in filter(None, self._commits_of):
            try:
                for info in home.trees.load(tree).ranges:
                    self._trees_of[info.id].add(tree)
            except (DamagedError, ValueError, KeyError, OSError):
                continue  # a damage of its own
        self._refs = {
            table: list(home.connection.execute(f"SELECT repository, name, head FROM {table}"))  # noqa: S608 - constants
            for table in ("branches", "tags")
        }
        blobs = {item.key for item in damage if isinstance(item.key, bytes)}
        self._places: dict[bytes, list[tuple[str, str]]] = defaultdict(list)  # blob to (range, path)
        self._staged: dict[bytes, list[dict[str, str]]] = defaultdict(list)
        if blobs:
            self._find_places(home, blobs)

    def of(self, damage: Damage) -> dict[str, Any]:
        trees: set[str] = set()
        commits: set[CommitKey] = set()
        places = self._places.get(damage.key, []) if isinstance(damage.key, bytes) else []
        if isinstance(damage.key, tuple):
            commits = {damage.key}
        elif damage.kind == "tree":
            trees = {str(damage.key)}
        elif damage.kind == "range":
            trees = self._trees_of[str(damage.key)]
        for range_id, _ in places:
            trees = trees | self._trees_of[range_id]
        for tree in trees:
            commits |= self._commits_of[tree]
        above = self._above(commits)
        answer: dict[str, Any] = {
            "commits": _some([{"repository": r, "id": c} for r, c in sorted(commits)]),
            "paths": _some(sorted({path for _, path in places})),
        }
        for table, refs in self._refs.items():
            answer[table] = _some(
                [
                    {"repository": r, "name": name, "at_head": (r, head) in commits}
                    for r, name, head in refs
                    if (r, head) in above
                ]
            )
        staged = self._staged.get(damage.key, []) if isinstance(damage.key, bytes) else []
        return {**answer, "staged": _some(staged)}

    def _above(self, commits: set[CommitKey]) -> set[CommitKey]:
        """The commits and all that have one of them in their history."""
        found: set[CommitKey] = set()
        waiting = list(commits)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self._children.get(key, [])
        return found

    def _find_places(self, home: Snapshot, blobs: set[bytes]) -> None:
        for identifier in self._trees_of:
            try:
                for entry in home.ranges.load(identifier).entries():
                    if entry.sha256 in blobs:
                        self._places[entry.sha256].append((identifier, entry.path.decode(errors="replace")))
            except (DamagedError, ValueError, OSError):
                continue  # a damage of its own
        for row in staged(home):
            if row["sha256"] in blobs:
                path = row["path"].decode(errors="replace")
                self._staged[row["sha256"]].append(
                    {"repository": row["repository"], "branch": row["branch"], "path": path}
                )


def _some(items: list[Any]) -> dict[str, Any]:
    return {"total": len(items), "first": items[:LISTED]}
