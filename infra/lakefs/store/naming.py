"""Give and take away names: branches and tags, each with the hooks before and after it.

The hooks of a new branch or tag are read from the commit it names, those of one that goes from the commit it named. A
new one names the commit that its hooks judged, wherever the ref it was asked for has moved meanwhile.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from infra.lakefs.store import Store, commits, hooks, refs
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.events import Event
from infra.lakefs.store.hooks import MovedError, Proposal
from infra.lakefs.store.refs import Branch, Tag


def create_branch(store: Store, repository: str, name: str, source: str, hidden: bool, force: bool) -> Branch:
    def propose(connection: sqlite3.Connection) -> Proposal[Commit]:
        start = refs.new_branch(connection, repository, name, source, force)
        return _proposal(store, "create-branch", repository, start, branch=name)

    def act(connection: sqlite3.Connection, start: Commit, _: bool) -> Branch:
        return refs.create_branch(connection, repository, name, start.id, hidden, force)

    return hooks.change(store, f"'{source}'", propose, act)


def delete_branch(store: Store, repository: str, name: str, force: bool) -> None:
    def propose(connection: sqlite3.Connection) -> Proposal[Commit]:
        head = commits.get(connection, repository, refs.deletable_branch(connection, repository, name, force).head)
        return _proposal(store, "delete-branch", repository, head, branch=name)

    def act(connection: sqlite3.Connection, head: Commit, _: bool) -> None:
        if refs.branch(connection, repository, name).head != head.id:
            raise MovedError
        refs.delete_branch(connection, repository, name, force)
        store.resets[repository, name] += 1

    hooks.change(store, f"branch '{name}'", propose, act)
    store.sweeper.wake()


def create_tag(store: Store, repository: str, name: str, source: str, force: bool) -> Tag:
    def propose(connection: sqlite3.Connection) -> Proposal[Commit]:
        named = refs.new_tag(connection, repository, name, source, force)
        return _proposal(store, "create-tag", repository, named, tag=name)

    def act(connection: sqlite3.Connection, named: Commit, _: bool) -> Tag:
        return refs.create_tag(connection, repository, name, named.id, force)

    return hooks.change(store, f"'{source}'", propose, act)


def delete_tag(store: Store, repository: str, name: str, force: bool) -> None:
    def propose(connection: sqlite3.Connection) -> Proposal[Commit]:
        named = commits.get(connection, repository, refs.deletable_tag(connection, repository, name, force).head)
        return _proposal(store, "delete-tag", repository, named, tag=name)

    def act(connection: sqlite3.Connection, named: Commit, _: bool) -> None:
        if refs.tag(connection, repository, name).head != named.id:
            raise MovedError
        refs.delete_tag(connection, repository, name, force)

    hooks.change(store, f"tag '{name}'", propose, act)


def _proposal(
    store: Store, act: str, repository: str, commit: Commit, *, branch: str = "", tag: str = ""
) -> Proposal[Commit]:
    after = Event(f"post-{act}", store.clock(), repository, commit.tree, commit.id, branch, tag)
    return Proposal(commit, replace(after, kind=f"pre-{act}"), after)
