"""`python -m tests.benchmarks`: the figures, as medians and as ratios against a baseline of the same run.

Nothing here asserts on seconds; a machine is slow, a ratio is news.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import (
    audit_log,
    check_engine,
    check_suite,
    command_line,
    demo,
    edge,
    first_finding,
    frame_checks,
    gate,
    lakefs_http,
    lakefs_million,
    recall,
    releases,
    report,
    rivals,
    rollback,
    store,
)

PARTS = {
    "help": command_line,
    "checks": check_suite,
    "engine": check_engine,
    "frames": frame_checks,
    "first-finding": first_finding,
    "gate": gate,
    "report": report,
    "rivals": rivals,
    "releases": releases,
    "store": store,
    "lakefs-million": lakefs_million,
    "lakefs": lakefs_http,
    "recall": recall,
    "audit": audit_log,
    "edge": edge,
    "rollback": rollback,
}
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Measure what was asked for, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Figures as ratios.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if absent")
    parser.add_argument("--demo", action="store_true", help="tell the story too, and time its steps")
    parser.add_argument("--log", type=Path, help="take the steps from the output of a story that was told")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks.json", help="where the JSON goes")
    parser.add_argument("--quick", action="store_true", help="a large object of 200 MB instead of 5 GB")
    given = parser.parse_args()
    if given.quick:
        lakefs_http.LARGE = lakefs_http.QUICK
    if unknown := sorted(set(given.parts) - PARTS.keys()):
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    document: dict[str, Any] = {"schema": "benchmarks@1", "machine": machine(), "figures": []}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as temporary:
        folder = Path(temporary)
        for part in given.parts or PARTS:
            for figure in PARTS[part].figures(folder):
                print(figure.line() + (f"\n    {figure.note}" if figure.note else ""), flush=True)
                document["figures"].append(figure.document())
        if given.demo or given.log:
            told = given.log.read_text() if given.log else demo.run(folder)
            document["demo"] = demo.steps(told)
            for title, seconds in document["demo"].items():
                print(f"{title:<44} {seconds:8.1f} s")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(document, indent=2) + "\n")
    print(f"written to {given.out}")
    return 0


def machine() -> dict[str, Any]:
    """What the seconds were measured on."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "polars": version("polars"),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    sys.exit(main())
