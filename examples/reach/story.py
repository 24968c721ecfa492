"""The story, told by doing it: recordings arrive, are checked, approved or quarantined; jobs train; evaluations give
evidence; the gate says of each model why it may or may not go to the edge; a device runs what was released, and a
mistake found later is called back.

`python -m examples.reach.story` builds a fresh home below `demo/` and swaps `demo/latest` to it when it succeeds.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.decision import headline
from catalog.domain.decision import Decision
from examples.reach.telling import BLOCKED, BLOCKS, EITHER, ROOT, Story, StoryError
from examples.reach.to_the_device import release_and_recall

SHARED = ROOT.parent / "shared" / "data"
G1, G1_ROBOT = SHARED / "lerobot_v21_unitree_g1", SHARED / "robot_models_g1" / "g1_29dof_rev_1_0.urdf"
ROBOT = ROOT / "examples" / "reach" / "robot.yaml"
HARNESS = "examples.reach.rollout"
SEED = 1
REASON = 66  # characters of a reason on one line of the closing table
MODELS = ("reach-wild", "reach-tainted", "reach-first", "reach-second")


def tell(story: Story, given: Path | None) -> None:
    """The steps, in order."""
    data, models = story.place / "data", story.place / "models"
    models.mkdir()
    with story.step("Three datasets: simulated, stand-in for the field, and recorded by others"):
        record(story, data)
    g1 = given if given is not None else G1 if G1.is_dir() else None
    with story.step("A look before anything: no service, no account"):
        story.assay("check", data / "arm-reach-standin", "--robot", ROBOT, status=BLOCKS)
        if g1 is None:
            story.say("g1: skipped, no LeRobot dataset was given with --data PATH (make demo DATA=PATH)")
        else:
            robot = ("--robot", G1_ROBOT) if given is None and G1_ROBOT.is_file() else ()
            story.assay("check", g1, *robot, status=EITHER)
    with story.step("Register: each recording on its own branch, with its manifest"):
        story.assay("init")
        story.assay("robot", "register", ROBOT, "--suite", "arm@1")
        story.assay("dataset", "register", "arm-reach-sim", data / "arm-reach-sim", "--ingest", "batch-1")
        story.assay("dataset", "register", "arm-reach-standin", data / "arm-reach-standin", "--ingest", "week-1")
        name = register_g1(story, g1, given is None, data) if g1 is not None else None
    with story.step("Check, approve, quarantine"):
        curate(story, data, name)
    with story.step("Train: four models"):
        train(story, data, models)
    with story.step("Evaluate: the plan first, then its trials"):
        story.assay("line", "enrol", "reach", "--device-class", "demo-arm")
        story.say("A plan for a model that the floor blocks would spend the error budget for nothing:")
        story.assay("plan", "reach-tainted", "--device-class", "demo-arm", "--line", "reach", status=BLOCKED)
        for model in ("reach-first", "reach-second"):
            story.assay("evaluate", story.plan(model), "--harness", HARNESS)
    with story.step("Judge: may it go to the edge?"):
        judge(story)
        story.assay("trace", "reach-second")
        story.assay("audit", "verify")
        story.assay("status")
    release_and_recall(story, models)
    story.assay("down")


def record(story: Story, data: Path) -> None:
    """Record the three simulated datasets, two at a time."""
    names = ("arm-reach-sim", "arm-reach-standin", "arm-reach-standin-rig-x")
    command = [sys.executable, "-m", "examples.reach.record", "--seed", str(SEED), "--out", str(data), "--dataset"]
    begun = [subprocess.Popen([*command, name], env=story.environment, cwd=ROOT) for name in names]
    for name, process in zip(names, begun, strict=True):
        if process.wait() != 0:
            raise StoryError(f"recording {name} failed")
        info = json.loads((data / name / "meta" / "info.json").read_text())
        story.console.print(f"  {name}: {info['total_episodes']} episodes, {info['total_frames']} frames")


def register_g1(story: Story, g1: Path, known: bool, data: Path) -> str:
    """Register somebody else's recording, claiming nothing about it that is not known."""
    name = "g1" if known else re.sub(r"[^a-z0-9]+", "-", g1.resolve().name.lower()).strip("-")[:40] or "given"
    licence = next((f"see {p.name}" for p in sorted(g1.glob("LICENSE*"))), "unknown")
    robot = "unitree-g1" if known else name
    provenance = {
        "schema": "provenance@1",
        "source": {"kind": "sensor", "robot": robot, "description": "recorded by others; origin unverified"},
        "terms": {"licence": licence, "consent": "unknown"},
    }
    path = data / f"{name}-provenance.json"
    path.write_text(json.dumps(provenance, indent=2))
    if known and G1_ROBOT.is_file():
        story.assay("robot", "register", G1_ROBOT, "--suite", "humanoid@1", "--name", robot)
    story.assay("dataset", "register", name, g1, "--ingest", "as-published", "--provenance", path)
    return name


def curate(story: Story, data: Path, g1: str | None) -> None:
    """Check everything, approve what is clean, quarantine what is not, and select from it."""
    standin, clean = "arm-reach-standin", data / "arm-reach-standin-clean"
    story.assay("dataset", "check", "arm-reach-sim", "--ingest", "batch-1")
    story.assay("dataset", "approve", "arm-reach-sim", "--ingest", "batch-1")
    story.check_again(standin, "--ingest", "week-1", status=BLOCKS)
    story.assay("dataset", "approve", standin, "--ingest", "week-1", status=BLOCKED)
    reason = "defects that the check found"
    story.assay("dataset", "quarantine", standin, "--ingest", "week-1", "--episodes", "failing", "--reason", reason)
    story.assay("clean", data / standin, "--out", clean, "--drop", "failing", "--robot", ROBOT)
    story.say("Two ingests of one dataset, side by side; whichever is approved second is brought up to date first:")
    facts = ("--provenance", data / standin / "meta" / "provenance.json")
    story.side_by_side(
        ("dataset", "register", standin, clean, "--ingest", "week-1-clean", *facts),
        ("dataset", "register", standin, data / "arm-reach-standin-rig-x", "--ingest", "week-2"),
    )
    story.assay("dataset", "check", standin, "--ingest", "week-1-clean")
    story.assay("dataset", "approve", standin, "--ingest", "week-1-clean")
    story.assay("dataset", "check", standin, "--ingest", "week-2")
    story.assay("dataset", "approve", standin, "--ingest", "week-2", status=5)
    story.assay("dataset", "rebase", standin, "--ingest", "week-2")
    story.assay("dataset", "check", standin, "--ingest", "week-2")
    story.assay("dataset", "approve", standin, "--ingest", "week-2")
    story.assay("dataset", "show", standin)
    if g1 is not None:
        story.check_again(g1, "--ingest", "as-published", status=EITHER)
        story.assay("dataset", "approve", g1, "--ingest", "as-published", status=BLOCKED)


def train(story: Story, data: Path, models: Path) -> None:
    """Four models: two that the gate must find out, two that did everything right."""
    sim, standin = "arm-reach-sim", "arm-reach-standin"
    wild = models / "reach-wild"
    story.job("reach-wild", "--out", wild, "--unrecorded", "--folder", data / sim)
    story.assay("model", "register", "reach-wild", wild)
    story.job("reach-tainted", "--out", models / "reach-tainted", "--approved", sim, "--folder", data / standin)
    story.job("reach-first", "--out", models / "reach-first", "--approved", sim, "--approved", f"{standin}@v1.0.0")
    story.job("reach-second", "--out", models / "reach-second", "--approved", sim, "--approved", standin)


def judge(story: Story) -> None:
    """Every model for both classes: what differs is shown whole, the rest briefly, all of it in one table."""
    demo, collaborative = ("--device-class", "demo-arm"), ("--device-class", "collaborative-arm")
    for model in ("reach-tainted", "reach-wild"):
        story.assay("gate", model, *demo, "--brief", status=BLOCKED)
    story.assay("gate", "reach-first", *demo)
    story.assay("gate", "reach-second", *demo, "--brief")
    story.assay("gate", "reach-first", *collaborative, "--brief", status=BLOCKED)
    story.say("Beside people, the other three are judged like this one:")
    for model in ("reach-wild", "reach-tainted", "reach-second"):
        story.ask("gate", model, *collaborative, status=BLOCKED)
    table = Table("model", "class", "verdict", "first reason", box=box.SIMPLE_HEAD, pad_edge=False)
    for model in MODELS:
        decisions = [Decision.of(d) for d in story.ask("model", "show", model)["decisions"]]
        for device_class in ("demo-arm", "collaborative-arm"):
            newest = next(d for d in decisions if d.device_class == device_class)
            style = "green" if newest.verdict == "eligible" else "red"
            reason = headline(newest).removeprefix("because: ")
            reason = reason if len(reason) <= REASON else f"{reason[: REASON - 1]}…"
            table.add_row(model, device_class, Text(newest.verdict, style=style), Text(reason))
    story.console.print(table)


def main() -> int:
    """Tell the story in a fresh place; the last good one stays until this one is good."""
    parser = argparse.ArgumentParser(prog="python -m examples.reach.story", description="From recording to verdict.")
    parser.add_argument("--data", type=Path, help="a LeRobot v2.1 dataset of yours, as the third dataset")
    parser.add_argument("--demo", type=Path, default=ROOT / "demo", help="where to build; default: demo/")
    given = parser.parse_args()
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data: no folder {given.data}")
    place = given.demo.resolve() / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    place.mkdir(parents=True)
    story = Story(place, Console(highlight=False, width=118))
    try:
        tell(story, given.data.resolve() if given.data is not None else None)
    except (StoryError, KeyboardInterrupt) as error:
        subprocess.run([sys.executable, "-m", "catalog.cli.main", "down"], env=story.environment, cwd=ROOT, check=False)
        story.console.print(
            f"the story stopped: {error or 'interrupted'}\nwhat was built stays in {place}", style="red"
        )
        return 1
    swap(given.demo.resolve(), place)
    ending(story)
    return 0


def swap(demo: Path, place: Path) -> None:
    """Point `latest` at the new telling in one rename, then remove the others."""
    pointer = demo / "latest.new"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(place.name)
    pointer.replace(demo / "latest")
    for old in demo.iterdir():
        if old.is_dir() and not old.is_symlink() and old != place:
            Story.remove(old)


def ending(story: Story) -> None:
    """Where everything is, and what to try next."""
    say = story.console.print
    say("[bold]The story in figures[/bold]")
    for title, seconds in story.times:
        say(f"  {seconds:6.1f} s  {title.partition(':')[0]}", markup=False)
    say(f"  {sum(s for _, s in story.times):6.1f} s  in all\n", markup=False)
    say("[bold]Where everything is[/bold]  (demo/latest)")
    say("  home/        the catalog: records, lakeFS store, lineage.jsonl\n  home-keys/   tokens and signing keys")
    say("  data/        the datasets\n  models/      the fitted models\n")
    say("[bold]Try next[/bold]")
    say("  make ui                                        browse datasets, lineage and the gate")
    say("  export ASSAY_HOME=demo/latest/home             then any command works on it:")
    for words in (
        "gate reach-tainted --device-class demo-arm",
        "trace arm-reach-standin@v1.1.0 --down",
        "recall arm-reach-sim --dry-run",
        "device list",
        "audit verify",
    ):
        say(f"  .venv/bin/assay {words}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
