"""A report of a model that 5,000 episodes went into: made by the service, and checked by a process that has only files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from catalog.services.kept_heads import heads_agree
from catalog.services.report import report
from tests.attack.attacker import CLASS, Attack
from tests.benchmarks.figure import Figure, compare
from tests.support.bundles import handed
from tests.support.house import House
from tests.support.recordings import recording

EPISODES = 5000


def figures(folder: Path) -> Iterator[Figure]:
    """`assay verify` as a whole process, then what the service does for it."""
    house = House.begin(folder / "report")
    with house.open() as desk:
        attack = Attack(house, desk)
        data = recording(folder / "report" / "arm-one", episodes=EPISODES, rows=8)
        info = data / "meta/info.json"
        info.write_text(json.dumps({**json.loads(info.read_text()), "chunks_size": 2 * EPISODES}))
        desk.bring("arm", "one", data)
        attack.eligible("reach", folder / "report" / "model", 1)
        desk.release("reach")
        found = handed(attack, "reach")
        bundle, trust = folder / "bundle.json", folder / "trust.json"
        bundle.write_bytes(found.bundle)
        trust.write_bytes(found.trust)
        yield compare(
            f"assay verify of a report with {EPISODES:,} episodes",
            partial(_run, "-m", "catalog.cli.main", "verify", str(bundle), "--trust-root", str(trust)),
            "python -c pass",
            partial(_run, "-c", "pass"),
            runs=7,
            note=f"a whole process, {len(found.bundle) / 2**20:.1f} MiB; every document, signature and trial again",
        )
        yield compare(
            f"making a report with {EPISODES:,} episodes",
            lambda: report(desk.context, model="reach", device_class=CLASS),
            "comparing the log with every kept head",
            lambda: heads_agree(desk.context),
            runs=3,
            note="read at one moment, today's floor judged again, both renderings, signed",
        )


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
