"""Branches, uploads, deletes, commits, merges, reverts, tags and resets against a model of dictionaries."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from infra.lakefs.errors import InvalidError, NotFoundError
from infra.lakefs.store import commits, objects, ranges, refs, staging
from infra.lakefs.store.commit import commit
from infra.lakefs.store.merge import MergeConflictError, merge
from infra.lakefs.store.reset import hard_reset, reset
from infra.lakefs.store.revert import revert

Content = dict[str, str]
PATHS = st.sampled_from([f"{a}/{b}" for a in "ab" for b in range(6)])
CONTENTS = st.sampled_from(["0", "1", "2"])
BRANCHES = st.sampled_from(["main", "one", "two"])


def merged(base: Content, source: Content, destination: Content, strategy: str) -> Content | None:
    """The brute-force three-way merge; None for a conflict."""
    result = dict(destination)
    for path in {*base, *source, *destination}:
        if source.get(path) in (base.get(path), destination.get(path)):
            continue
        if destination.get(path) != base.get(path):
            if not strategy:
                return None
            if strategy == "dest-wins":
                continue
        result.pop(path, None)
        if path in source:
            result[path] = source[path]
    return result


class VersionControl(RuleBasedStateMachine):
    opened: Any

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(ranges, "CUT_MASK", 0x1)
        self.store = self.stack.enter_context(self.opened(folder))
        with self.store.database.read() as connection:
            first = refs.branch(connection, "repo", "main").head
        self.trees: dict[str, Content] = {first: {}}
        self.heads = {"main": first}
        self.work: dict[str, Content] = {"main": {}}
        self.parents: dict[str, list[str]] = {first: []}
        self.tags: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    def ancestors(self, head: str) -> set[str]:
        found, waiting = set(), [head]
        while waiting:
            if (item := waiting.pop()) not in found:
                found.add(item)
                waiting += self.parents[item]
        return found

    def record(self, made: commits.Commit, branch: str, tree: Content) -> None:
        self.trees[made.id] = self.work[branch] = tree
        self.parents[made.id] = list(made.parents)
        self.heads[branch] = made.id

    def dirty(self, branch: str) -> bool:
        return self.work[branch] != self.trees[self.heads[branch]]

    @rule(branch=BRANCHES, path=PATHS, content=CONTENTS)
    def upload(self, branch: str, path: str, content: str) -> None:
        blob = self.store.blobs.put(content.encode())
        if branch not in self.heads:
            with pytest.raises(NotFoundError):
                objects.stage(self.store, "repo", branch, path.encode(), blob, "text/plain", {})
            return
        objects.stage(self.store, "repo", branch, path.encode(), blob, "text/plain", {})
        self.work[branch] = {**self.work[branch], path: content}

    @rule(branch=BRANCHES, path=PATHS)
    def delete(self, branch: str, path: str) -> None:
        if branch in self.heads:
            objects.delete(self.store, "repo", branch, [path.encode()], False)
            self.work[branch] = {p: c for p, c in self.work[branch].items() if p != path}

    @rule(branch=BRANCHES)
    def commit(self, branch: str) -> None:
        if branch not in self.heads:
            return
        if not self.dirty(branch):
            with pytest.raises(InvalidError, match="no changes"):
                commit(self.store, "repo", branch, "m", {})
            return
        made = commit(self.store, "repo", branch, "m", {"k": "v"})
        assert made.parents == (self.heads[branch],)
        self.record(made, branch, self.work[branch])

    @rule(name=st.sampled_from(["one", "two"]), source=BRANCHES)
    def branch(self, name: str, source: str) -> None:
        if name not in self.heads and source in self.heads:
            self.store.database.write(lambda c: refs.create_branch(c, "repo", name, source, False, False))
            self.heads[name] = self.heads[source]
            self.work[name] = self.trees[self.heads[source]]

    @rule(name=st.sampled_from(["one", "two"]))
    def delete_branch(self, name: str) -> None:
        if name in self.heads:
            self.store.database.write(lambda c: refs.delete_branch(c, "repo", name, False))
            del self.heads[name], self.work[name]

    @rule(
        source=BRANCHES,
        branch=BRANCHES,
        strategy=st.sampled_from(["", "source-wins", "dest-wins"]),
        squash=st.booleans(),
    )
    def merge(self, source: str, branch: str, strategy: str, squash: bool) -> None:
        if source not in self.heads or branch not in self.heads:
            return
        do = {"strategy": strategy, "squash": squash}
        ours, theirs = self.heads[source], self.heads[branch]
        common = self.ancestors(ours) & self.ancestors(theirs)
        with self.store.database.read() as connection:
            found = [commits.get(connection, "repo", head) for head in (ours, theirs)]
            base = commits.merge_base(connection, "repo", *found)
        assert base is not None
        assert base.id in common
        assert not any(base.id in self.ancestors(other) - {other} for other in common if other != base.id)
        if self.dirty(branch):
            with pytest.raises(InvalidError, match="uncommitted"):
                merge(self.store, "repo", source, branch, **do)
            return
        if self.trees[ours] == self.trees[base.id]:
            with pytest.raises(InvalidError, match="no changes"):
                merge(self.store, "repo", source, branch, **do)
            return
        result = merged(self.trees[base.id], self.trees[ours], self.trees[theirs], strategy)
        if result is None:
            with pytest.raises(MergeConflictError):
                merge(self.store, "repo", source, branch, **do)
            return
        made = merge(self.store, "repo", source, branch, **do)
        assert made.parents == ((theirs,) if squash else (theirs, ours))
        self.record(made, branch, result)

    @rule(branch=BRANCHES)
    def revert_head(self, branch: str) -> None:
        if branch not in self.heads or self.dirty(branch) or not self.parents[self.heads[branch]]:
            return
        head = self.heads[branch]
        before = self.trees[self.parents[head][0]]
        if before == self.trees[head]:
            with pytest.raises(InvalidError, match="changes nothing"):
                revert(self.store, "repo", branch, branch, 1)
            return
        self.record(revert(self.store, "repo", branch, branch, 1), branch, before)

    @rule(branch=BRANCHES)
    def reset(self, branch: str) -> None:
        if branch in self.heads:
            reset(self.store, "repo", branch, "reset", "", False)
            self.work[branch] = self.trees[self.heads[branch]]

    @rule(branch=BRANCHES, path=PATHS)
    def reset_one(self, branch: str, path: str) -> None:
        if branch in self.heads:
            reset(self.store, "repo", branch, "object", path, False)
            committed = self.trees[self.heads[branch]]
            rest = {p: c for p, c in self.work[branch].items() if p != path}
            self.work[branch] = {**rest, **({path: committed[path]} if path in committed else {})}

    @precondition(lambda self: self.tags)
    @rule(data=st.data(), branch=BRANCHES)
    def hard_reset(self, data: st.DataObject, branch: str) -> None:
        if branch in self.heads:
            tag = data.draw(st.sampled_from(sorted(self.tags)))
            hard_reset(self.store, "repo", branch, tag, False)
            self.heads[branch] = self.tags[tag]
            self.work[branch] = self.trees[self.tags[tag]]

    @rule(branch=BRANCHES)
    def tag(self, branch: str) -> None:
        if branch in self.heads and len(self.tags) < 5:
            name = f"v{len(self.tags)}"
            self.store.database.write(lambda c: refs.create_tag(c, "repo", name, branch, False))
            self.tags[name] = self.heads[branch]

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        if not hasattr(self, "heads"):
            return
        with self.store.database.read() as connection:
            shown = {b.name: b.head for b in refs.page_branches(connection, "repo", "", "", 10, True)[0]}
            assert shown == self.heads
            assert {t.name: t.head for t in refs.page_tags(connection, "repo", "", "", 10)[0]} == self.tags
            for expression, wanted in [
                *((name, self.work[name]) for name in self.heads),
                *((name + "@", self.trees[self.heads[name]]) for name in self.heads),
                *((name, self.trees[head]) for name, head in self.tags.items()),
            ]:
                ref = refs.resolve(connection, "repo", expression)
                found = {
                    e.path.decode(): self.content(e) for e in objects.walk(connection, self.store, "repo", ref, b"")
                }
                assert found == wanted
            for name, head in self.heads.items():
                tree = self.store.trees.load(commits.get(connection, "repo", head).tree)
                changed = {p.decode() for p, _ in staging.changes(connection, self.store.trees, "repo", name, tree)}
                old, new = self.trees[head], self.work[name]
                assert changed == {p for p in {*old, *new} if old.get(p) != new.get(p)}
                history = list(commits.log(connection, "repo", commits.get(connection, "repo", head)))
                assert {item.id for item in history} == self.ancestors(head)

    def content(self, entry: Any) -> str:
        with self.store.blobs.open(entry.sha256, entry.size) as file:
            return str(file.read(), "ascii")


def test_version_control_is_what_the_model_says(open_store: Any) -> None:
    VersionControl.opened = staticmethod(open_store)
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        VersionControl, settings=settings(max_examples=25, stateful_step_count=40, deadline=None, print_blob=True)
    )
