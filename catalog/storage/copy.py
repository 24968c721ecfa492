"""Copy repositories with their whole history to another lakeFS: every commit, branch and tag, its data and metadata.

A commit's name is made by the store that holds it, so a copy has another; it says in its metadata which commit it is
a copy of (`assay.copied-from`), and that is where an interrupted copy goes on. What a copied commit changes is compared
with what the original changed: path, size and checksum. A merge is merged again, with the strategy that it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import lakefs_sdk

from catalog.errors import Conflict, Damaged
from catalog.storage.lakefs import LakeFS

COPIED_FROM = "assay.copied-from"
STRATEGY = ".lakefs.merge.strategy"
WORK = "assay-copy-"  # branches that commits are made on, gone at the end
THREADS = 8

Progress = Callable[[float], None]


@dataclass
class Copied:
    """What a repository's copy holds: `commits` is original to copy; staged changes of a branch are not copied."""

    repository: str
    commits: dict[str, str] = field(default_factory=dict)
    branches: int = 0
    tags: int = 0
    objects: int = 0
    bytes: int = 0
    uncommitted: tuple[str, ...] = ()


def copy_repository(source: LakeFS, target: LakeFS, repository: str, progress: Progress) -> Copied:
    """Bring a repository of `source` to `target`, or bring its copy there up to date."""
    return _Copy(source, target, repository, progress).run()


class _Copy:
    def __init__(self, source: LakeFS, target: LakeFS, repository: str, progress: Progress) -> None:
        self.source, self.target, self.repository, self.progress = source, target, repository, progress
        self.old, self.new = _Api(source, repository), _Api(target, repository)
        self.made = Copied(repository)
        self.span = (0.0, 1.0)  # where the present commit begins, and its share of all

    def run(self) -> Copied:
        branches = {r.id: r.commit_id for r in self.old.pages(self.old.branches.list_branches, show_hidden=True)}
        tags = {r.id: r.commit_id for r in self.old.pages(self.old.tags.list_tags)}
        history = self.old.history((*branches.values(), *tags.values()))
        rules = self.old.ask(self.old.repositories.get_branch_protection_rules)
        self._begin(history)
        if rules:
            self.new.ask(self.new.repositories.set_branch_protection_rules, [])
        for number, commit in enumerate(_oldest_first(history), start=1):
            self.span = ((number - 1) / len(history), 1 / len(history))
            if commit.id not in self.made.commits:
                self._commit(commit)
            self._step(1.0)
        self._refs(branches, tags)
        if rules:
            self.new.ask(self.new.repositories.set_branch_protection_rules, rules)
        self.made.uncommitted = tuple(sorted(b for b in branches if self._dirty(b)))
        return self.made

    def _step(self, part: float) -> None:
        self.progress(self.span[0] + part * self.span[1])

    def _begin(self, history: Mapping[str, Any]) -> None:
        """Make the repository, or take up a copy that was begun: one that holds anything else is refused."""
        if self.repository not in self.target.repositories():
            creation = lakefs_sdk.RepositoryCreation(
                name=self.repository,
                storage_namespace=f"{self.target.namespace}{self.repository}",
                default_branch=self.old.ask(self.old.repositories.get_repository).default_branch,
            )
            self.target.call(self.new.repositories.create_repository, creation)
        metadata = self.old.ask(self.old.repositories.get_repository_metadata)
        self.target.set_metadata(self.repository, metadata)
        heads = [r.commit_id for r in self.new.pages(self.new.branches.list_branches, show_hidden=True)]
        first = next(c.id for c in history.values() if not c.parents)
        copies = self.made.commits
        for commit in _oldest_first(self.new.history(heads)):
            original = history.get((commit.metadata or {}).get(COPIED_FROM, first if not commit.parents else ""))
            if original is None or original.id in copies or not self._is_copy(commit, original):
                raise Conflict(
                    "already-exists",
                    f"{self.repository} is there, and its commit {commit.id[:12]} is no copy",
                    where=self.target.name,
                    do="copy to a lakeFS that has no repository of this name",
                )
            copies[original.id] = commit.id

    def _is_copy(self, commit: Any, original: Any) -> bool:
        """What a commit says of itself is believed only where its parents are the copies of the original's parents, and
        it changes what the original changed.
        """
        if commit.parents != [self.made.commits.get(parent) for parent in original.parents]:
            return False
        if not commit.parents:
            places = ((self.target, commit.id), (self.source, original.id))
            return all(store.listing(self.repository, root).is_empty() for store, root in places)
        return self.new.changes(commit.parents[0], commit.id) == self.old.changes(original.parents[0], original.id)

    def _commit(self, commit: Any) -> None:
        copies, branch = self.made.commits, WORK + commit.id[:16]
        parents = [copies[parent] for parent in commit.parents]
        self.target.ensure_branch(self.repository, branch, parents[0])
        metadata = {**(commit.metadata or {}), COPIED_FROM: commit.id}
        wanted = self.old.changes(commit.parents[0], commit.id)
        if len(parents) == 1:
            self._stage(branch, commit.id, wanted)
            creation = lakefs_sdk.CommitCreation(
                message=commit.message, metadata=metadata, date=commit.creation_date, allow_empty=True
            )
            made = self.new.ask(self.new.commits.commit, branch, creation).id
        else:
            strategy = metadata.get(STRATEGY, "default")
            merge = lakefs_sdk.Merge(message=commit.message, metadata=metadata, allow_empty=True)
            if strategy != "default":
                merge.strategy = strategy
            made = self.new.ask(self.new.refs.merge_into_branch, parents[1], branch, merge=merge).reference
        if self.new.changes(parents[0], made) != wanted:
            self.target.delete_branch(self.repository, branch)  # or the next copy would find it there, and refuse
            raise Damaged(
                "records-damaged",
                f"the copy {made[:12]} of commit {commit.id[:12]} does not hold what that holds",
                where=f"{self.repository} at {self.target.name}",
                do="keep the original; look at both",
            )
        copies[commit.id] = made

    def _stage(self, branch: str, ref: str, wanted: Mapping[str, _Content]) -> None:
        """Put on the branch what the commit changed; what an interrupted copy left staged there stays."""
        staged = {d.path for d in self.new.pages(self.new.branches.diff_branch, branch)}
        there = dict[str, tuple[int, str]]()
        if staged - wanted.keys():
            self.target.reset(self.repository, branch)
        elif staged:
            there = {p: (s, c) for p, s, c in self.target.listing(self.repository, branch).iter_rows()}
        present = {p: c for p, c in wanted.items() if c.kind != "removed"}
        self.target.delete(self.repository, branch, [p for p in wanted if p not in present])
        due = [(p, c) for p, c in present.items() if p not in staged or there.get(p) != c.stored]

        def one(item: tuple[str, _Content]) -> int:
            return self._send(branch, ref, *item)

        with ThreadPoolExecutor(THREADS) as pool:
            for number, size in enumerate(pool.map(one, due), start=1):
                self.made.objects += 1
                self.made.bytes += size
                self._step(number / len(due))

    def _send(self, branch: str, ref: str, path: str, content: _Content) -> int:
        body = _Stream(self.source.read(self.repository, ref, path))
        source = cast("BinaryIO", body)
        stored = self.target.call(
            self.target.transfer.upload,
            self.repository,
            branch,
            path,
            source,
            content.size,
            content.content_type,
            dict(content.metadata),
        )
        if stored["size_bytes"] != content.size or body.checksum != content.checksum:
            raise Damaged(
                "digest-mismatch",
                f"{path} of commit {ref[:12]} does not hold what its checksum says",
                where=f"{self.repository} at {self.source.name}",
                do="look for the damage with `python -m infra.lakefs fsck`, or restore that object",
            )
        return content.size

    def _refs(self, branches: Mapping[str, str], tags: Mapping[str, str]) -> None:
        for name, original in branches.items():
            copy = self.made.commits[original]
            head = self.target.head(self.repository, name)
            if head is None:
                self.target.ensure_branch(self.repository, name, copy)
            elif head.id != copy:
                self.new.ask(self.new.experimental.hard_reset_branch, name, copy)
        for name, original in tags.items():
            self.target.tag(self.repository, name, self.made.commits[original])
        for ref in list(self.new.pages(self.new.branches.list_branches, prefix=WORK)):
            self.target.delete_branch(self.repository, ref.id)
        self.made.branches, self.made.tags = len(branches), len(tags)

    def _dirty(self, branch: str) -> bool:
        return bool(self.old.ask(self.old.branches.diff_branch, branch, amount=1).results)


def _oldest_first(history: Mapping[str, Any]) -> list[Any]:
    return sorted(history.values(), key=lambda c: (c.generation, c.creation_date, c.id))


@dataclass(frozen=True)
class _Content:
    """What a commit did at a path; `checksum` is the store's."""

    kind: str
    size: int = 0
    checksum: str = ""
    content_type: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def stored(self) -> tuple[int, str]:
        return self.size, self.checksum


def _content(change: Any) -> _Content:
    if change.type == "removed":
        return _Content("removed")
    right = change.right
    metadata = tuple(sorted((right.metadata or {}).items()))
    return _Content(change.type, change.size_bytes or 0, right.checksum, right.content_type, metadata)


class _Api:
    """lakeFS's calls on one repository."""

    def __init__(self, store: LakeFS, repository: str) -> None:
        self.store, self.repository = store, repository
        self.repositories = lakefs_sdk.RepositoriesApi(store.client)
        self.branches = lakefs_sdk.BranchesApi(store.client)
        self.tags = lakefs_sdk.TagsApi(store.client)
        self.refs = lakefs_sdk.RefsApi(store.client)
        self.commits = lakefs_sdk.CommitsApi(store.client)
        self.experimental = lakefs_sdk.ExperimentalApi(store.client)

    def ask(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return self.store.call(method, self.repository, *arguments, **options)

    def pages(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[Any]:
        return self.store.pages(method, self.repository, *arguments, **options)

    def history(self, refs: Any) -> dict[str, Any]:
        """All commits that these refs reach, by id."""
        found: dict[str, Any] = {}
        for ref in refs:
            if ref not in found:
                found |= {c.id: c for c in self.pages(self.refs.log_commits, ref)}
        return found

    def changes(self, left: str, right: str) -> dict[str, _Content]:
        """What differs from left to right, by path."""
        found = self.pages(self.refs.diff_refs, left, right, type="two_dot", include_right_stats=True)
        return {d.path: _content(d) for d in found}


class _Stream:
    """Blocks of bytes as a file that is read once; MD5, lakeFS's checksum, is computed on the way."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._held = blocks, b""
        self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def checksum(self) -> str:
        return self._md5.hexdigest()

    def read(self, size: int = -1) -> bytes:
        while not self._held or size < 0:
            block = next(self._blocks, None)
            if block is None:
                break
            self._md5.update(block)
            self._held += block
        data, self._held = (self._held, b"") if size < 0 else (self._held[:size], self._held[size:])
        return data
