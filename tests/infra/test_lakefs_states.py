"""The store against a model made of dicts: every operation in any order, merges by brute force, `gc` and restarts.

The model keeps a commit's content as a dict and its history as a graph of sets. What it says a merge or a revert does
is computed path by path over whole dicts, without ranges, trees or differences.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from infra.lakefs.errors import ConflictError, InvalidError, LakeFSError, NotFoundError
from infra.lakefs.home import Home
from infra.lakefs.store import Store, diff, objects, refs, repositories, staging
from infra.lakefs.store import commits as history
from infra.lakefs.store.commit import commit
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.gc import gc
from infra.lakefs.store.merge import MergeConflictError, merge
from infra.lakefs.store.ranges import is_cut
from infra.lakefs.store.reset import hard_reset, reset
from infra.lakefs.store.revert import cherry_pick, revert
from infra.lakefs.store.snapshot import snapshot

MEMORY = Path("/dev/shm")  # no disk is needed, only order
CUTS = [path for number in range(12_000) if is_cut(path := b"n/%05d" % number)][:4]
PATHS = sorted([*CUTS, *(cut + b"-" for cut in CUTS), b"a", b"a//b", "ü".encode(), b"n/", b"z"])  # several ranges
Value = tuple[bytes, str]  # content, user metadata's one value
Content = dict[bytes, Value]
paths = st.sampled_from(PATHS)
values = st.tuples(st.sampled_from([b"", b"1", b"22", b"333"]), st.sampled_from(["", "m"]))
names = st.sampled_from(["main", "left", "right", "up"])
numbers = st.integers(0, 1 << 20)
edits = st.dictionaries(paths, st.one_of(values, values, st.none()), min_size=1, max_size=6)
tidies = st.sampled_from([True, True, True, False])  # whether what is staged is reset first


def three_way(base: Content, source: Content, destination: Content, strategy: str) -> Content:
    """Path by path; MergeConflictError as the store's."""
    merged = {}
    for path in base.keys() | source.keys() | destination.keys():
        b, s, d = base.get(path), source.get(path), destination.get(path)
        if b in (s, d) or s == d:
            value = s if d == b else d
        elif strategy:
            value = s if strategy == "source-wins" else d
        else:
            raise MergeConflictError("model")
        if value is not None:
            merged[path] = value
    return merged


@dataclass
class Model:
    commits: dict[str, Commit] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    staged: dict[str, dict[bytes, Value | None]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def shown(self, branch: str) -> Content:
        over = {**self.contents[self.branches[branch]], **self.staged[branch]}
        return {path: value for path, value in over.items() if value is not None}

    def is_dirty(self, branch: str) -> bool:
        return self.shown(branch) != self.contents[self.branches[branch]]

    def ancestors(self, identifier: str) -> set[str]:
        found, waiting = set(), [identifier]
        while waiting:
            if (current := waiting.pop()) not in found:
                found.add(current)
                waiting += self.commits[current].parents
        return found

    def merge_base(self, left: str, right: str) -> Content:
        common = [self.commits[i] for i in self.ancestors(left) & self.ancestors(right)]
        return self.contents[min(common, key=lambda c: (-c.generation, -c.recorded, c.id)).id] if common else {}

    def parent(self, identifier: str, number: int, ambiguous: type[LakeFSError]) -> Content:
        parents = self.commits[identifier].parents
        if number == 0 and len(parents) > 1:
            raise ambiguous("model")
        if number > len(parents):
            raise InvalidError("model")
        return self.contents[parents[max(number - 1, 0)]] if parents else {}

    def add(self, branch: str, made: Commit, content: Content) -> None:
        self.commits[made.id], self.contents[made.id] = made, content
        self.branches[branch], self.staged[branch] = made.id, {}

    def forget_unreached(self) -> None:
        heads = {*self.branches.values(), *self.tags.values()}
        kept = set().union(*(self.ancestors(head) for head in heads))
        self.commits = {i: c for i, c in self.commits.items() if i in kept}
        self.contents = {i: c for i, c in self.contents.items() if i in kept}


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.seconds = itertools.count(1_700_000_000)
        self.model = Model()
        self.trees: dict[str, Content] = {}
        self.open_store()

    def open_store(self) -> None:
        self.stack = ExitStack()
        home = self.stack.enter_context(Home(self.folder / "home"))
        self.store = Store(home.folder, lambda: next(self.seconds) * 1_000_000, "tester")
        self.stack.callback(self.store.close)

    def teardown(self) -> None:
        self.stack.close()
        with snapshot(self.folder / "home") as home:
            assert fsck(home).damage == []
        shutil.rmtree(self.folder)

    def read(self, look: Callable[[Any], Any]) -> Any:
        with self.store.database.read() as connection:
            return look(connection)

    def write(self, change: Callable[[Any], Any]) -> Any:
        return self.store.database.write(change)

    def branch(self, name: str) -> str:
        """One that exists: the named one, or the first by name."""
        return name if name in self.model.branches else min(self.model.branches)

    def known(self, number: int) -> str:
        """One of the commits, the newest first: those are worked with most."""
        known = sorted(self.model.commits.values(), key=lambda c: -c.recorded)
        return known[number % len(known)].id

    def refusal(self, expected: Callable[[], Any]) -> type[LakeFSError] | None:
        try:
            expected()
        except LakeFSError as error:
            return type(error)
        return None

    def attempt(
        self, act: Callable[[], Commit], expect: Callable[[], Content], branch: str, parents: list[str]
    ) -> None:
        """The store makes the commit that the model expects, or refuses as the model does and changes nothing."""
        try:
            content = expect()
        except LakeFSError as error:
            with pytest.raises(type(error)):
                act()
            return
        made = act()
        assert list(made.parents) == parents
        assert made.generation == 1 + max(self.model.commits[parent].generation for parent in parents)
        self.model.add(branch, made, content)

    def tidy(self, branch: str, tidy: bool) -> None:
        """Reset what is a change; what is staged and changes nothing stays, since it must be harmless."""
        if tidy and self.model.is_dirty(branch):
            self.reset(branch, "reset", b"a")

    def refuse_dirty(self, branch: str) -> None:
        if self.model.is_dirty(branch):
            raise InvalidError("model")

    @initialize(start=edits, work=st.lists(edits, min_size=3, max_size=3))
    def create(self, start: dict[bytes, Value | None], work: list[dict[bytes, Value | None]]) -> None:
        """A repository whose branches went apart."""
        self.write(lambda c: repositories.create(c, "repo", "local://repo", "main", False, self.store.clock()))
        first = self.read(lambda c: refs.resolve_commit(c, "repo", "main"))
        self.model.add("main", first, {})
        self.work("main", start, commits=True)
        for name, change in zip(("left", "right", "main"), work, strict=True):
            if name != "main":
                self.create_branch(name, 0)
            self.work(name, change, commits=True)

    @rule(name=names, change=edits, commits=st.booleans())
    def work(self, name: str, change: dict[bytes, Value | None], commits: bool) -> None:
        """What a client does between two merges."""
        for path, value in change.items():
            if value is None:
                self.delete(name, {path})
            else:
                self.upload(name, path, value)
        if commits:
            self.commit(name, False)

    @rule(name=names, path=paths, value=values)
    def upload(self, name: str, path: bytes, value: Value) -> None:
        branch = self.branch(name)
        metadata = {"k": value[1]} if value[1] else {}
        with self.store.collection.shared():
            blob = self.store.blobs.put(value[0])
            objects.stage(self.store, "repo", branch, path, blob, "text/plain", metadata)
        self.model.staged[branch][path] = value

    @rule(name=names, gone=st.sets(paths, min_size=1, max_size=4))
    def delete(self, name: str, gone: set[bytes]) -> None:
        branch = self.branch(name)
        objects.delete(self.store, "repo", branch, sorted(gone), False)
        self.model.staged[branch].update(dict.fromkeys(gone))

    @rule(name=names, number=numbers, source=paths, path=paths)
    def copy(self, name: str, number: int, source: bytes, path: bytes) -> None:
        branch, identifier = self.branch(name), self.known(number)
        value = self.model.contents[identifier].get(source)
        if value is None:
            with pytest.raises(NotFoundError):
                objects.copy(self.store, "repo", identifier, source, branch, path, False)
        else:
            objects.copy(self.store, "repo", identifier, source, branch, path, False)
            self.model.staged[branch][path] = value

    @rule(name=names, empty=st.booleans())
    def commit(self, name: str, empty: bool) -> None:
        branch = self.branch(name)

        def expect() -> Content:
            if not (empty or self.model.is_dirty(branch)):
                raise InvalidError("model")
            return self.model.shown(branch)

        parents = [self.model.branches[branch]]
        self.attempt(lambda: commit(self.store, "repo", branch, "m", {}, allow_empty=empty), expect, branch, parents)

    @rule(
        name=names,
        source=st.one_of(names, names, numbers),
        tidy=tidies,
        strategy=st.sampled_from(["", "", "source-wins", "dest-wins"]),
        squash=st.booleans(),
        empty=st.booleans(),
    )
    def merge(self, name: str, source: str | int, tidy: bool, strategy: str, squash: bool, empty: bool) -> None:
        branch = self.branch(name)
        tip = self.known(source) if isinstance(source, int) else self.model.branches[self.branch(source)]
        self.tidy(branch, tidy)

        def expect() -> Content:
            self.refuse_dirty(branch)
            head = self.model.branches[branch]
            base, theirs = self.model.merge_base(head, tip), self.model.contents[tip]
            if base == theirs and not empty:
                raise InvalidError("model")
            return three_way(base, theirs, self.model.contents[head], strategy)

        options: Mapping[str, Any] = {"strategy": strategy, "squash": squash, "allow_empty": empty}
        parents = [self.model.branches[branch], tip][: 1 if squash else 2]
        self.attempt(lambda: merge(self.store, "repo", tip, branch, **options), expect, branch, parents)

    @rule(left=numbers, right=numbers)
    def merge_base(self, left: int, right: int) -> None:
        """A common ancestor from which no other one descends."""
        one, other = (self.model.commits[self.known(number)] for number in (left, right))
        base = self.read(lambda c: history.merge_base(c, "repo", one, other))
        common = self.model.ancestors(one.id) & self.model.ancestors(other.id)
        assert base.id in common
        assert not [i for i in common - {base.id} if base.id in self.model.ancestors(i)]

    @rule(name=names, number=numbers, parent=st.integers(0, 3), empty=st.booleans(), tidy=tidies)
    def revert(self, name: str, number: int, parent: int, empty: bool, tidy: bool) -> None:
        branch, bad = self.branch(name), self.known(number)
        self.tidy(branch, tidy)

        def expect() -> Content:
            self.refuse_dirty(branch)
            before = self.model.parent(bad, parent, ConflictError)
            present = self.model.contents[self.model.branches[branch]]
            content = three_way(self.model.contents[bad], before, present, "")
            if content == present and not empty:
                raise InvalidError("model")
            return content

        parents = [self.model.branches[branch]]
        self.attempt(
            lambda: revert(self.store, "repo", branch, bad, parent, allow_empty=empty), expect, branch, parents
        )

    @rule(name=names, number=numbers, parent=st.sampled_from([None, 1, 2]), tidy=tidies)
    def cherry_pick(self, name: str, number: int, parent: int | None, tidy: bool) -> None:
        branch, picked = self.branch(name), self.known(number)
        self.tidy(branch, tidy)

        def expect() -> Content:
            self.refuse_dirty(branch)
            before = self.model.parent(picked, parent or 0, InvalidError)
            present = self.model.contents[self.model.branches[branch]]
            return three_way(before, self.model.contents[picked], present, "")

        parents = [self.model.branches[branch]]
        self.attempt(lambda: cherry_pick(self.store, "repo", branch, picked, parent), expect, branch, parents)

    @rule(name=names, kind=st.sampled_from(["reset", "object", "common_prefix"]), path=paths)
    def reset(self, name: str, kind: str, path: bytes) -> None:
        branch = self.branch(name)
        reset(self.store, "repo", branch, kind, path.decode(), False)
        kept = {
            "reset": lambda _: False,
            "object": lambda p: p != path,
            "common_prefix": lambda p: not p.startswith(path),
        }
        self.model.staged[branch] = {p: v for p, v in self.model.staged[branch].items() if kept[kind](p)}

    @rule(name=names, number=numbers)
    def hard_reset(self, name: str, number: int) -> None:
        branch, head = self.branch(name), self.known(number)
        hard_reset(self.store, "repo", branch, head, False)
        self.model.branches[branch], self.model.staged[branch] = head, {}

    @rule(name=names, number=numbers)
    def create_branch(self, name: str, number: int) -> None:
        source = self.known(number)
        if name in self.model.branches:
            with pytest.raises(ConflictError):
                self.write(lambda c: refs.create_branch(c, "repo", name, source, False, False))
        else:
            self.write(lambda c: refs.create_branch(c, "repo", name, source, False, False))
            self.model.branches[name], self.model.staged[name] = source, {}

    @rule(name=names)
    def delete_branch(self, name: str) -> None:
        if name in self.model.branches and name != "main":
            self.write(lambda c: refs.delete_branch(c, "repo", name, False))
            del self.model.branches[name], self.model.staged[name]
            with pytest.raises(NotFoundError):
                objects.stage(self.store, "repo", name, b"a", self.store.blobs.put(b"1"), "text/plain", {})
        else:
            with pytest.raises(LakeFSError):
                self.write(lambda c: refs.delete_branch(c, "repo", name, False))

    @rule(name=st.sampled_from(["v1", "v2"]), number=numbers)
    def tag(self, name: str, number: int) -> None:
        target = self.known(number)
        if name in self.model.tags:
            self.write(lambda c: refs.delete_tag(c, "repo", name, False))
            del self.model.tags[name]
        else:
            self.write(lambda c: refs.create_tag(c, "repo", name, target, False))
            self.model.tags[name] = target

    @rule(back=st.integers(1, 100))
    def set_clock_back(self, back: int) -> None:
        self.seconds = itertools.count(next(self.seconds) - back)

    @rule()
    def restart(self) -> None:
        self.stack.close()
        self.open_store()

    @precondition(lambda self: len(self.model.commits) > 3)
    @rule()
    def collect(self) -> None:
        before = set(self.model.commits)
        self.model.forget_unreached()
        found = gc(self.folder / "home", 0, apply=True)
        assert {identifier for _, identifier in found.commits} == before - set(self.model.commits)
        with snapshot(self.folder / "home") as home:
            assert fsck(home).damage == []

    @rule(left=numbers, right=numbers)
    def compare(self, left: int, right: int) -> None:
        one, other = self.known(left), self.known(right)
        a, b = self.model.contents[one], self.model.contents[other]
        trees = [self.store.trees.load(self.model.commits[i].tree) for i in (one, other)]
        found = {change.path: change.kind for change in diff.changes(self.store.ranges, *trees)}
        kinds = {
            p: "added" if p not in a else "removed" if p not in b else "changed"
            for p in {*a, *b}
            if a.get(p) != b.get(p)
        }
        assert found == kinds
        assert list(found) == sorted(found)

    @rule(name=names, steps=st.text("~^", max_size=3), counts=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def resolve(self, name: str, steps: str, counts: list[int]) -> None:
        branch = self.branch(name)
        expression = branch + "".join(f"{sign}{count}" for sign, count in zip(steps, counts, strict=False))
        at: str | None = self.model.branches[branch]
        for sign, count in zip(steps, counts, strict=False):
            for which in [0] * count if sign == "~" else [count - 1] * (count > 0):
                parents = self.model.commits[at].parents if at else ()
                at = parents[which] if which < len(parents) else None
        if at is None:
            with pytest.raises(NotFoundError):
                self.read(lambda c: refs.resolve(c, "repo", expression))
        else:
            assert self.read(lambda c: refs.resolve_commit(c, "repo", expression)).id == at

    @invariant()
    def agrees(self) -> None:
        """Every branch shows what the model says; equal content has equal trees and the other way round."""
        for branch, head in self.model.branches.items():
            assert self.listed(branch) == self.model.shown(branch)
            assert self.listed(f"{branch}@") == self.model.contents[head]
            log = [found.id for found in self.read(lambda c, h=head: self.log(c, h))]
            assert set(log) == self.model.ancestors(head)
            assert all(log.index(parent) > at for at, i in enumerate(log) for parent in self.model.commits[i].parents)
            committed, shown = self.model.contents[head], self.model.shown(branch)
            tree = self.store.trees.load(self.model.commits[head].tree)
            changes = self.read(lambda c, b=branch, t=tree: list(staging.changes(c, self.store.trees, "repo", b, t)))
            expected = sorted(p for p in {*committed, *shown} if committed.get(p) != shown.get(p))
            assert [path for path, _ in changes] == expected
            assert self.trees.setdefault(tree.id, committed) == committed
            assert list(self.trees.values()).count(committed) == 1

    @invariant()
    def has_refs(self) -> None:
        branches, more_branches = self.read(lambda c: refs.page_branches(c, "repo", "", "", 100, True))
        tags, more_tags = self.read(lambda c: refs.page_tags(c, "repo", "", "", 100))
        assert {branch.name: branch.head for branch in branches} == self.model.branches
        assert {tag.name: tag.head for tag in tags} == self.model.tags
        assert (more_branches, more_tags) == (False, False)

    def log(self, connection: Any, head: str) -> list[Commit]:
        return list(history.log(connection, "repo", history.get(connection, "repo", head)))

    def listed(self, ref: str) -> Content:
        def look(connection: Any) -> Content:
            found = objects.walk(connection, self.store, "repo", refs.resolve(connection, "repo", ref), b"")
            return {e.path: (self.content(e), e.user_metadata.get("k", "")) for e in found}

        content: Content = self.read(look)
        assert list(content) == sorted(content)
        return content

    def content(self, entry: Any) -> bytes:
        with self.store.blobs.open(entry.sha256, entry.size) as file:
            return file.read()


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_no_text_is_a_ref_by_accident(store: Store) -> None:
    """Any text is a ref that exists, or refused as absent or invalid; never an error of another kind."""

    @settings(max_examples=300, deadline=None)
    @given(st.one_of(st.text(max_size=20), st.text("main~^@$0129af{}.", max_size=12)))
    def check(text: str) -> None:
        with store.database.read() as connection:
            try:
                found = refs.resolve(connection, "repo", text)
            except (NotFoundError, InvalidError):
                return
            base = re.split(r"[~^@$]", text)[0]
            assert base == "main" or found.commit.id.startswith(base)
            assert (found.branch == "main") == (text in ("main", "main$"))
            assert found.explicitly_staged == (text == "main$")

    check()


def test_a_name_that_can_be_given_means_what_it_was_given_for(store: Store) -> None:
    with store.database.read() as connection:
        head = refs.branch(connection, "repo", "main").head

    @settings(max_examples=200, deadline=None)
    @given(st.text(st.characters(max_codepoint=0x2FF), min_size=1, max_size=8), st.sampled_from(["branch", "tag"]))
    def check(name: str, kind: str) -> None:
        assume(name != "main")
        make: Any = {
            "branch": lambda c: refs.create_branch(c, "repo", name, "main", False, False),
            "tag": lambda c: refs.create_tag(c, "repo", name, "main", False),
        }[kind]
        remove: Any = {"branch": refs.delete_branch, "tag": refs.delete_tag}[kind]
        try:
            store.database.write(make)
        except InvalidError:
            return
        with store.database.read() as connection:
            for expression in (name, f"{name}~0", f"{name}^0", f"{name}@"):
                assert refs.resolve_commit(connection, "repo", expression).id == head
            with pytest.raises(NotFoundError):
                refs.resolve(connection, "repo", f"{name}~1")
        with pytest.raises(ConflictError):
            store.database.write(make)
        store.database.write(lambda c: remove(c, "repo", name, False))

    check()
