"""Runs what crosses stores: the intent is committed first, each step is idempotent, the record comes last.

A step that fails abandons the intent and leaves the old state; a store that does not answer leaves it running, and
recovery continues it. A killed service finds its running intents at the next start and finishes or abandons them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.intent import Intent, Problem, State
from catalog.errors import Absent, AssayError, Conflict, Damaged
from catalog.services.context import Context

log = logging.getLogger("assay.intent")


@dataclass
class Work:
    """One intent at work. `memory` is kept with the intent, `cache` dies with the process."""

    context: Context
    intent: Intent
    memory: dict[str, Any] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)
    fraction: float = 0.0
    label: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the caller asked for."""
        return self.intent.arguments

    def progress(self, fraction: float, label: str | None = None) -> None:
        """Say how far this step is; the place where a cancelled operation ends, and where a closing service stops."""
        if self.stopping.is_set():
            raise Stopped
        if self.cancelled.is_set():
            raise Conflict("operation-cancelled", f"{self.intent.kind} was cancelled", do="start it again when ready")
        self.fraction = fraction
        self.label = label if label is not None else self.label


@dataclass(frozen=True)
class Kind:
    """What an intent does: idempotent steps, one record, and how the outside is put back.

    One that makes something safe is `urgent`: it never waits behind an upload for a thread.
    """

    name: str
    steps: tuple[Callable[[Work], None], ...]
    record: Callable[[Work, Write], dict[str, Any]]
    abandon: Callable[[Work], None]
    serial: Callable[[Mapping[str, Any]], str]
    urgent: bool = False


def commit(write: Write, identity: str, kind: str, arguments: dict[str, Any]) -> Intent:
    """Commit an intent together with what asks for it; the next `recover()` begins it."""
    intent = Intent(
        id=identity, kind=kind, by=write.actor, started_at=write.now, state="running", step=0, arguments=arguments
    )
    write.insert(tables.intent, intent, id=intent.id, kind=kind, state=intent.state)
    return intent


def nothing_to_undo(_work: Work) -> None:
    """For intents whose steps leave nothing behind."""


class Stopped(Exception):
    """The service closes: the intent stays open, and the next service continues it."""


class Undecided(Conflict):
    """Something landed outside that no record may follow; the state is named, never guessed."""


class Operations:
    """The intents of one service."""

    def __init__(self, context: Context, kinds: tuple[Kind, ...], threads: int = 4) -> None:
        self.context = context
        self.kinds = {kind.name: kind for kind in kinds}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="intent")
        self._urgent = ThreadPoolExecutor(threads, thread_name_prefix="urgent")
        self._active: dict[str, Work] = {}
        self._futures: dict[str, Future[None]] = {}
        self._waits: dict[str, Problem] = {}
        self._stopping = threading.Event()
        self._guard = threading.Lock()

    def start(self, kind: str, by: str, arguments: dict[str, Any]) -> Intent:
        """Commit the intent, then begin it in the background."""
        with self.context.records.write(by) as write:
            intent = commit(write, self.context.ids(), kind, arguments)
        self._submit(intent)
        return intent

    def look(self, intent_id: str) -> tuple[Intent, float, str]:
        """An intent as it stands, and how far its step is; a running one that has a problem waits because of it."""
        with self.context.records.read() as c:
            intent = records.one(c, tables.intent, Intent, id=intent_id)
        if intent is None:
            raise Absent("operation-unknown", f"no operation {intent_id!r}", do="look at `assay status`")
        if intent.state == "running":
            intent = intent.model_copy(update={"problem": self._waits.get(intent_id)})
        work = self._active.get(intent_id)
        return intent, work.fraction if work else 1.0, work.label if work else ""

    def wait(self, intent_id: str, timeout: float | None = None) -> Intent:
        """Wait until the service is done with an intent for now."""
        with self._guard:
            future = self._futures.get(intent_id)
        if future is not None:
            future.result(timeout)
        return self.look(intent_id)[0]

    def cancel(self, intent_id: str) -> None:
        """Ask a running intent to stop at its next step or progress."""
        self.look(intent_id)
        work = self._active.get(intent_id)
        if work is not None:
            work.cancelled.set()

    @property
    def busy(self) -> bool:
        """Whether anything is at work."""
        return bool(self._active)

    def running(self) -> list[Intent]:
        """Intents that are not finished, at work or not."""
        with self.context.records.read() as c:
            return records.many(c, tables.intent, Intent, order="id", state="running")

    def recover(self) -> int:
        """Continue every running intent that nobody is working on."""
        idle = [i for i in self.running() if i.id not in self._active]
        for intent in idle:
            log.info("recovering %s %s at step %d", intent.kind, intent.id, intent.step)
            self._submit(intent)
        return len(idle)

    def close(self) -> None:
        """End what runs at its next progress, as a kill would, and begin nothing new."""
        self._stopping.set()
        for pool in (self._urgent, self._pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, intent: Intent) -> None:
        with self._guard:
            if intent.id in self._active:
                return
            work = Work(self.context, intent, stopping=self._stopping)
            self._active[intent.id] = work
            kind = self.kinds[intent.kind]
            pool = self._urgent if kind.urgent else self._pool
            self._futures[intent.id] = pool.submit(self._execute, kind, work)

    def _execute(self, kind: Kind, work: Work) -> None:
        identity = work.intent.id
        try:
            with self.context.locks[kind.serial(work.arguments)]:
                # read again: another thread may have finished it after recovery read the list
                work.intent = self.look(identity)[0].model_copy(update={"problem": None})
                work.memory = dict(work.intent.memory)
                if work.intent.state == "running":
                    self._attempt(kind, work)
            self._waits.pop(identity, None)
        except Stopped:
            log.info("%s %s stays open, the next service continues it", kind.name, identity)
        except AssayError as error:
            log.warning("%s %s stays open: %s", kind.name, identity, error)
            self._waits[identity] = problem(error)
        finally:
            self._active.pop(identity, None)

    def _attempt(self, kind: Kind, work: Work) -> None:
        """Finish the intent or abandon it; an error that leaves here leaves it open."""
        try:
            self._steps(kind, work)
        except Stopped:
            raise
        except Undecided as error:
            self._end(work, "undecided", error)
        except AssayError as error:
            self._give_up(kind, work, error)
        except Exception as error:  # a bug must not leave an intent at work for ever
            log.exception("%s %s", kind.name, work.intent.id)
            bug = Damaged("internal-error", f"{type(error).__name__}: {error}", do="report it with the service's log")
            self._give_up(kind, work, bug)

    def _steps(self, kind: Kind, work: Work) -> None:
        # the last step is always done again: what it left in the cache died with the process
        first = min(work.intent.step, len(kind.steps) - 1)
        for number, step in list(enumerate(kind.steps))[first:]:
            work.progress(0.0, step.__name__.replace("_", " ").strip())
            self.context.boundary(kind.name, step.__name__)
            step(work)
            self.context.boundary(kind.name, f"{step.__name__}, unsaved")
            self._save(work, step=number + 1, memory=dict(work.memory))
        self.context.boundary(kind.name, "record")
        with self.context.records.write(work.intent.by) as write:
            result = kind.record(work, write)
            self._close(write, work, "done", result=result)
        self.context.boundary(kind.name, "done")

    def _give_up(self, kind: Kind, work: Work, error: AssayError) -> None:
        log.info("%s %s is abandoned: %s", kind.name, work.intent.id, error)
        kind.abandon(work)
        self._end(work, "cancelled" if error.kind == "operation-cancelled" else "failed", error)

    def _end(self, work: Work, state: State, error: AssayError) -> None:
        with self.context.records.write(work.intent.by) as write:
            write.audit(f"{work.intent.kind}.{state}", work.intent.id, kind=error.kind, what=error.what)
            self._close(write, work, state, problem=problem(error))

    def _save(self, work: Work, **changes: Any) -> None:
        work.intent = work.intent.model_copy(update=changes)
        with self.context.records.write(work.intent.by) as write:
            write.replace(tables.intent, {"id": work.intent.id}, work.intent)

    def _close(self, write: Write, work: Work, state: State, **changes: Any) -> None:
        ended = work.intent.model_copy(update={"state": state, "ended_at": write.now, **changes})
        write.replace(tables.intent, {"id": ended.id}, ended, state=state)


def problem(error: AssayError) -> Problem:
    """An error as it is kept and sent."""
    return Problem(
        type=f"urn:assay:problem:{error.kind}",
        title=error.what[:4000],
        status=error.status,
        kind=error.kind,
        where=error.where,
        do=error.do,
    )


def already_running(context: Context, kind: str, **arguments: str) -> None:
    """Refuse a second intent of one kind on the same thing."""
    with context.records.read() as c:
        running = records.many(c, tables.intent, Intent, order="id", kind=kind, state="running")
    if any(all(i.arguments.get(k) == v for k, v in arguments.items()) for i in running):
        what = " ".join(arguments.values())
        raise Conflict("operation-running", f"{kind} of {what} is running", do="wait for it, or cancel it")
