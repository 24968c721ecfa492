"""Run the hooks of an event. What goes before a change may refuse it; what follows one changes nothing about it.

    pre-…  a hook that fails, an action file that cannot be read: PreconditionError, nothing is changed
    post-… recorded, and told by other threads

No transaction is open while hooks run, so what they judged may have moved by then. Then it is looked at and judged
again: what was judged is what goes in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from infra.lakefs.errors import BusyError, LakeFSError, PreconditionError
from infra.lakefs.store import Store, actions, objects, refs, runs
from infra.lakefs.store.actions import Action, Hook
from infra.lakefs.store.contents import read_content
from infra.lakefs.store.events import PREPARE, Event
from infra.lakefs.store.runs import HookRun, Run
from infra.lakefs.store.send import Outcome

P = TypeVar("P")
T = TypeVar("T")
ATTEMPTS = 5
JUDGED = 3  # attempts whose hooks ran


@dataclass(frozen=True)
class Proposal(Generic[P]):
    """What is to be done, and the events before and after it."""

    plan: P
    before: Event
    after: Event


@dataclass(frozen=True)
class Turn:
    """One attempt: whether hooks judged it, and whether it is the last."""

    judged: bool
    last: bool


class MovedError(Exception):
    """What was planned no longer fits what is there now."""


def change(
    store: Store,
    what: str,
    propose: Callable[[sqlite3.Connection], Proposal[P]],
    act: Callable[[sqlite3.Connection, P, Turn], T],
) -> T:
    """Propose on a snapshot, have it judged, act on it in one transaction, tell what followed.

    `act` is given the plan and raises MovedError where that holds no more. BusyError when `what` keeps moving.
    """
    judged = 0
    for attempt in range(1, ATTEMPTS + 1):
        with store.database.read() as connection:
            proposal = propose(connection)
        judged += judge(store, proposal.before)
        follows = wanted(store, proposal.after)

        def carry_out(
            connection: sqlite3.Connection,
            seen: Proposal[P] = proposal,
            turn: Turn = Turn(judged=judged > 0, last=attempt == ATTEMPTS),
            follows: bool = follows,
        ) -> T:
            made = act(connection, seen.plan, turn)
            if follows:
                runs.queue(connection, seen.after)
            return made

        try:
            made = store.database.write(carry_out)
        except MovedError:
            if judged == JUDGED:
                break
            continue
        if follows:
            store.followers.tell()
        return made
    raise BusyError(f"{what} kept changing, nothing was done: repeat")


def judge(store: Store, event: Event) -> bool:
    """Whether hooks ran and all passed; PreconditionError when one did not."""
    performed = perform(store, event)
    if performed is None:
        return False
    run, hook_runs = performed
    number = store.database.write(lambda connection: runs.record(connection, event.repository, run, hook_runs))
    if run.failed:
        reasons = "; ".join(
            f"hook '{h.hook}' of action '{h.action}': {h.why}" if h.hook else h.why for h in hook_runs if h.failed
        )
        raise PreconditionError(f"{event.kind} hook aborted, run id '{number}': {reasons}")
    return True


def wanted(store: Store, event: Event) -> bool:
    """Whether an action file wants to hear of it, or cannot be read, which is to be recorded."""
    try:
        return any(action.applies(event) for action in _actions(store, event))
    except (LakeFSError, OSError):
        return True


def perform(store: Store, event: Event) -> tuple[Run, list[HookRun]] | None:
    """Run what applies, action by action, hook by hook; None when nothing does."""
    started = store.clock()
    hook_runs: list[HookRun] = []
    try:
        applicable = [action for action in _actions(store, event) if action.applies(event)]
    except (LakeFSError, OSError) as error:
        if event.kind == PREPARE:
            return None  # the event before the commit itself follows and refuses
        hook_runs = [
            HookRun("_lakefs_actions", "", started, store.clock(), failed=True, output=str(error), why=str(error))
        ]
    else:
        if not applicable:
            return None
        for action in applicable:
            hook_runs += _perform_action(store, event, action)
    failed = any(hook_run.failed for hook_run in hook_runs)
    return Run(event.kind, event.branch, event.commit_id, started, store.clock(), failed), hook_runs


def _perform_action(store: Store, event: Event, action: Action) -> list[HookRun]:
    """Its hooks in order, each where its condition holds; those left out leave no record."""
    done: list[HookRun] = []
    for hook in action.hooks:
        if not hook.condition(any(hook_run.failed for hook_run in done)):
            continue
        started = store.clock()
        outcome = _outcome(store, event, action, hook)
        failed, ended = not outcome.passed, store.clock()
        done.append(HookRun(action.name, hook.id, started, ended, failed, outcome.output, outcome.why))
    return done


def _outcome(store: Store, event: Event, action: Action, hook: Hook) -> Outcome:
    if hook.webhook is None:
        why = f"hooks of type {hook.type} are not offered by this server: use a webhook"
        return Outcome(passed=False, why=why, output=why)
    return store.webhooks.send(hook.webhook, event.payload(action.name, hook.id))


def _actions(store: Store, event: Event) -> list[Action]:
    """Those of the event's tree; before a commit is prepared, those of its branch with what is staged."""
    content = partial(read_content, store)
    if event.kind != PREPARE:
        return list(actions.read(store.trees.walk(store.trees.load(event.tree), actions.FOLDER), content))
    with store.database.read() as connection:
        branch = refs.resolve(connection, event.repository, event.branch)
        return list(actions.read(objects.walk(connection, store, event.repository, branch, actions.FOLDER), content))
