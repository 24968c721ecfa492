"""Run a plan: every trial on the seeds that the catalog drew, latency in separated blocks, the host as it is.

The harness says what it is; nothing is summarised here, the table itself is the evidence.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from catalog.client.environment import processor
from catalog.domain.clock import wall_clock
from catalog.domain.evidence import (
    Harness,
    Host,
    LatencyBlock,
    PlanWithSeed,
    Statement,
    Trial,
    Trials,
)
from catalog.domain.harness import HarnessModule, checked
from catalog.domain.statement import Subject
from catalog.errors import Invalid

if TYPE_CHECKING:
    from catalog.client.catalog import Catalog

WARM_UP = 20
Progress = Callable[[float, str], None]


def measure(catalog: Catalog, plan: PlanWithSeed, harness: str, pause_s: float, progress: Progress) -> Statement:
    """The in-toto statement with every trial and every latency of a plan."""
    module = load_harness(harness)
    model = catalog.model(plan.plan.model).model
    started = wall_clock()
    with tempfile.TemporaryDirectory(prefix="assay-model-") as temporary:
        folder = Path(temporary) / model.manifest.name
        catalog.fetch_model(model, folder)
        rows = module.trials(folder, plan.seeds(), lambda done, of: progress(0.6 * done / of, "trials"))
        trials = tuple(Trial.of(row) for row in rows)
        blocks, idle, loaded = _latency(module.step(folder), plan, pause_s, progress)
    pacing = f"blocks of {plan.plan.protocol.latency_block_steps} steps were {pause_s * 1000:g} ms apart"
    predicate = Trials(
        plan=plan.plan_digest,
        evaluator=catalog.principal,
        harness=Harness(name=module.NAME, version=module.VERSION, origin=module.ORIGIN),
        host=host(idle, loaded, pacing),
        started_at=started,
        finished_at=wall_clock(),
        trials=trials,
        latency=blocks,
    )
    subject = Subject.of_model(model.manifest.name, model.digest_)
    return Statement(subject=(subject,), predicate=predicate)


def load_harness(name: str) -> HarnessModule:
    """A harness module by name, found from the working directory too; raises `Invalid`."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise Invalid("input-invalid", f"no harness {name!r}: {error}", do="name an importable module") from error
    return checked(name, module)


def _latency(
    step: Callable[[], object], plan: PlanWithSeed, pause_s: float, progress: Progress
) -> tuple[tuple[LatencyBlock, ...], float, float]:
    """Blocks idle, then with every core busy; load averages of both."""
    count, steps = plan.plan.protocol.latency_blocks, plan.plan.protocol.latency_block_steps
    for _ in range(WARM_UP):
        step()
    blocks = []
    loads = []
    for load, share in (("idle", 0.6), ("loaded", 0.8)):
        with _busy(os.cpu_count() or 1) if load == "loaded" else _quiet():
            for number in range(count):
                time.sleep(pause_s)
                blocks.append(_block(step, cast("Literal['idle', 'loaded']", load), steps))
                progress(share + 0.2 * (number + 1) / count, f"latency, {load}")
            loads.append(os.getloadavg()[0])
    return tuple(blocks), loads[0], loads[1]


def _block(step: Callable[[], object], load: Literal["idle", "loaded"], steps: int) -> LatencyBlock:
    started, times = wall_clock(), []
    for _ in range(steps):
        before = time.perf_counter_ns()
        step()
        times.append((time.perf_counter_ns() - before) / 1e6)
    return LatencyBlock(load=load, started_at=started, milliseconds=tuple(times))


@contextmanager
def _quiet() -> Iterator[None]:
    yield


@contextmanager
def _busy(processes: int) -> Iterator[None]:
    """Keep every core busy."""
    context = multiprocessing.get_context("spawn")
    burning = [context.Process(target=burn, args=(os.getpid(),), daemon=True) for _ in range(processes)]
    for process in burning:
        process.start()
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.join()


def burn(parent: int) -> None:
    """Use one core until the parent is gone."""
    value = 1
    while os.getppid() == parent:
        for _ in range(100_000):
            value = (value * 1103515245 + 12345) % 2**31


def host(idle: float, loaded: float, pacing: str) -> Host:
    """This machine under its own name."""
    import psutil

    return Host(
        name=socket.gethostname(),
        machine=platform.machine() or "unknown",
        processor=processor(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=platform.platform(),
        python=platform.python_version(),
        load_idle=idle,
        load_loaded=loaded,
        pacing=pacing,
    )
