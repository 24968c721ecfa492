"""The lakeFS adapter: translates calls and errors; of lakeFS's client only this package knows (`transfer` bulk, `copy`
history).

No call is made while a write transaction of the records is open.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Literal, TypeVar

import lakefs_sdk
import polars as pl
import urllib3
from lakefs_sdk.exceptions import ApiException

from catalog.domain.base import strict_json
from catalog.domain.transaction import writing
from catalog.errors import AssayError, Conflict, Damaged, Invalid, Unavailable
from catalog.storage.port import Change, CommitInfo, Progress, StoredObject
from catalog.storage.transfer import PAGE, Transfer

T = TypeVar("T")
PREFIX = "/api/v1"
IMPORT_POLL = 0.05  # seconds
TRANSLATED: dict[int, tuple[type[AssayError], str, str]] = {
    401: (Unavailable, "store-refused", "check the store's key and secret"),
    403: (Unavailable, "store-refused", "the store protects this branch or repository"),
    409: (Conflict, "merge-conflict", "look at what changed on both sides"),
    507: (Unavailable, "disk-full", "free space at the store and try again"),
}
CHANGES: dict[str, Literal["added", "removed", "changed", "conflict"]] = {
    "added": "added",
    "removed": "removed",
    "changed": "changed",
    "conflict": "conflict",
}


class LakeFS:
    """A lakeFS endpoint, embedded or not: the same calls. `name` is what records call it, whatever its port today;
    without one it is the address."""

    def __init__(self, url: str, key: str, secret: str, *, namespace: str = "local://", name: str = "") -> None:
        address = url.rstrip("/").removesuffix(PREFIX)
        configuration = lakefs_sdk.Configuration(host=address + PREFIX, username=key, password=secret)
        configuration.connection_pool_maxsize = 16
        configuration.retries = urllib3.Retry(total=2, connect=2, read=0, redirect=0, status=0)
        client = lakefs_sdk.ApiClient(configuration)
        self.name, self.client, self.namespace, self._url = name or address, client, namespace, address
        self.transfer = Transfer(client)
        self._repositories = lakefs_sdk.RepositoriesApi(client)
        self._branches = lakefs_sdk.BranchesApi(client)
        self._commits = lakefs_sdk.CommitsApi(client)
        self._objects = lakefs_sdk.ObjectsApi(client)
        self._refs = lakefs_sdk.RefsApi(client)
        self._tags = lakefs_sdk.TagsApi(client)

    def known_as(self, _repository: str, commit: str) -> str:
        """Its own name: this is the store that made it."""
        return commit

    def repositories(self) -> list[str]:
        """The names of all repositories."""
        return [repository.id for repository in self.pages(self._repositories.list_repositories)]

    def ensure_repository(self, repository: str, metadata: Mapping[str, str]) -> None:
        """Create the repository with a protected `main` unless it is there."""
        if self._maybe(self._repositories.get_repository, repository) is None:
            creation = lakefs_sdk.RepositoryCreation(
                name=repository,
                storage_namespace=f"{self.namespace}{repository}",
                default_branch="main",
            )
            self.call(self._repositories.create_repository, creation)
        if metadata:
            self.set_metadata(repository, metadata)
        rules = self.call(self._repositories.get_branch_protection_rules, repository)
        if "main" not in [rule.pattern for rule in rules]:
            protect = [lakefs_sdk.BranchProtectionRule(pattern="main")]
            self.call(self._repositories.set_branch_protection_rules, repository, protect)

    def set_metadata(self, repository: str, metadata: Mapping[str, str]) -> None:
        """Set these values of the repository's metadata; others stay."""
        given = lakefs_sdk.RepositoryMetadataSet(metadata=dict(metadata))
        self.call(lakefs_sdk.InternalApi(self.client).set_repository_metadata, repository, given)

    def branches(self, repository: str) -> dict[str, str]:
        """The commit of every branch, by name; hidden ones too."""
        return {b.id: b.commit_id for b in self.pages(self._branches.list_branches, repository, show_hidden=True)}

    def ensure_branch(self, repository: str, branch: str, source: str) -> None:
        """Create the branch at a ref unless it is there."""
        if self._maybe(self._branches.get_branch, repository, branch) is None:
            self.call(self._branches.create_branch, repository, lakefs_sdk.BranchCreation(name=branch, source=source))

    def delete_branch(self, repository: str, branch: str) -> None:
        """Delete the branch if it is there."""
        self._maybe(self._branches.delete_branch, repository, branch)

    def reset(self, repository: str, branch: str) -> None:
        """Drop what is staged on the branch."""
        self.call(self._branches.reset_branch, repository, branch, lakefs_sdk.ResetCreation(type="reset"))

    def head(self, repository: str, ref: str) -> CommitInfo | None:
        """The commit a ref names, or None."""
        found = self._maybe(self._refs.log_commits, repository, ref, amount=1)
        return _info(found.results[0]) if found is not None and found.results else None

    def log(self, repository: str, ref: str, amount: int) -> list[CommitInfo]:
        """The newest commits reachable from a ref."""
        return [_info(c) for c in self.call(self._refs.log_commits, repository, ref, amount=amount).results]

    def upload(self, repository: str, branch: str, path: str, content: bytes) -> StoredObject:
        """Stage one small object."""
        return self.upload_stream(repository, branch, path, io.BytesIO(content), len(content))

    def upload_stream(self, repository: str, branch: str, path: str, content: BinaryIO, size: int) -> StoredObject:
        """Stage one object of any size, read in blocks."""
        stored = self.call(self.transfer.upload, repository, branch, path, content, size)
        return StoredObject(stored["path"], stored["size_bytes"], stored["checksum"])

    def import_folder(
        self, repository: str, branch: str, folder: str, prefix: str, metadata: Mapping[str, str], progress: Progress
    ) -> CommitInfo:
        """Commit a folder's files below `prefix` by reference, without copying them; `progress` gets their count."""
        api = lakefs_sdk.ImportApi(self.client)
        place = lakefs_sdk.ImportLocation(type="common_prefix", path=f"local://{folder}/", destination=prefix)
        commit = lakefs_sdk.CommitCreation(message=f"Import {folder}", metadata=dict(metadata))
        creation = lakefs_sdk.ImportCreation(paths=[place], commit=commit)
        started = self.call(api.import_start, repository, branch, creation).id
        try:
            while not (now := self.call(api.import_status, repository, branch, started)).completed:
                if now.error is not None:
                    break
                progress(now.ingested_objects or 0)
                time.sleep(IMPORT_POLL)
        except BaseException:
            self._maybe(api.import_cancel, repository, branch, started)
            raise
        if now.error is not None or now.commit is None:
            why = now.error.message if now.error is not None else "it made no commit"
            raise Invalid(
                "path-unreadable",
                f"the store did not import it: {why}",
                where=folder,
                do="leave its files as they are; the embedded store refers to files below ASSAY_IMPORT_FOLDERS only",
            )
        return _info(now.commit)

    def delete(self, repository: str, branch: str, paths: Iterable[str]) -> None:
        """Stage the removal of objects."""
        pending = list(paths)
        for start in range(0, len(pending), PAGE):
            chunk = lakefs_sdk.PathList(paths=pending[start : start + PAGE])
            done = self.call(self._objects.delete_objects, repository, branch, chunk)
            if done.errors:
                what = f"{done.errors[0].path} was not deleted: {done.errors[0].message}"
                raise Unavailable("store-refused", what, where=f"{repository}/{branch}", do="look at that branch")

    def listing(self, repository: str, ref: str, prefix: str = "") -> pl.DataFrame:
        """All objects of a ref in path order, as columns."""
        return self.call(self.transfer.listing, repository, ref, prefix)

    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        """The bytes of an object in blocks."""
        blocks = self.transfer.read(repository, ref, path)
        while (block := self.call(_next, blocks)) is not None:
            yield block

    def commit(self, repository: str, branch: str, message: str, metadata: Mapping[str, str]) -> CommitInfo:
        """Commit what is staged."""
        creation = lakefs_sdk.CommitCreation(message=message, metadata=dict(metadata))
        return _info(self.call(self._commits.commit, repository, branch, creation))

    def merge_base(self, repository: str, source: str, destination: str) -> str:
        """The id of the merge base."""
        return str(self.call(self._refs.find_merge_base, repository, source, destination).base_commit_id)

    def merge(
        self,
        repository: str,
        source: str,
        destination: str,
        message: str,
        metadata: Mapping[str, str],
        *,
        keep: Literal["source", "destination"] | None = None,
    ) -> CommitInfo:
        """Merge a ref into a branch; `keep` says whose side wins a conflict, None refuses it."""
        strategy = {} if keep is None else {"strategy": f"{'dest' if keep == 'destination' else 'source'}-wins"}
        body = lakefs_sdk.Merge(message=message, metadata=dict(metadata), **strategy)
        merged = self.call(self._refs.merge_into_branch, repository, source, destination, merge=body).reference
        found = self.head(repository, merged)
        if found is None:
            raise Damaged("records-damaged", f"the store merged to {merged} and does not know it", where=repository)
        return found

    def diff(self, repository: str, left: str, right: str) -> list[Change]:
        """Changes on `right` since its merge base with `left` (three dots)."""
        found = self.pages(self._refs.diff_refs, repository, left, right, type="three_dot")
        return [Change(d.path, CHANGES[d.type]) for d in found]

    def tag(self, repository: str, name: str, ref: str) -> None:
        """Create a tag; the same tag on the same commit is no error."""
        there = self.tagged(repository, name)
        if there is None:
            self.call(self._tags.create_tag, repository, lakefs_sdk.TagCreation(id=name, ref=ref))
        elif there != ref:
            raise Conflict("already-exists", f"tag {name} names {there[:12]}, not {ref[:12]}", where=repository)

    def tagged(self, repository: str, name: str) -> str | None:
        """The commit a tag names, or None."""
        found = self._maybe(self._tags.get_tag, repository, name)
        return None if found is None else str(found.commit_id)

    def pages(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[Any]:
        """Everything that a call lists, page after page."""
        after, more = "", True
        while more:
            found = self.call(method, *arguments, after=after, amount=PAGE, **options)
            yield from found.results
            more, after = found.pagination.has_more, found.pagination.next_offset

    def call(self, method: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call lakeFS's client; its errors become ours, and none is made while the records are being written."""
        if writing.get():
            raise RuntimeError("the store was called inside a write transaction")
        try:
            return method(*arguments, **options)
        except ApiException as error:
            raise self._translated(error, method.__name__) from error
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(
                "store-unreachable", f"the store does not answer: {error}", where=self._url, do="start it and try again"
            ) from error

    def _maybe(self, method: Callable[..., T], *arguments: Any, **options: Any) -> T | None:
        try:
            return self.call(method, *arguments, **options)
        except _NotFound:
            return None

    def _translated(self, error: ApiException, call: str) -> AssayError:
        message = _message(error)
        where = f"{call} at {self._url}"
        if error.status == 404:
            return _NotFound("input-invalid", f"the store does not know it: {message}", where=where)
        if error.status in TRANSLATED:
            cls, kind, do = TRANSLATED[error.status]
            return cls(kind, f"the store refused: {message}", where=where, do=do)
        if error.status >= 500:
            return Unavailable("store-unreachable", f"the store failed: {message}", where=where, do="try again")
        return Invalid("input-invalid", f"the store refused: {message}", where=where)


def _next(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)


class _NotFound(Invalid):
    """The store answered 404."""


def _message(error: ApiException) -> str:
    try:
        return str(strict_json(error.body or "{}", "answer").get("message", error.reason))
    except (AssayError, AttributeError):
        return str(error.reason)


def _info(commit: Any) -> CommitInfo:
    return CommitInfo(
        commit.id, tuple(commit.parents), commit.meta_range_id, commit.message, dict(commit.metadata or {})
    )
