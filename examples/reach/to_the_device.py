"""The second half of the story: released by two, run by a device that decides for itself, recalled, rolled back, told
to an auditor, and a log restored from yesterday found out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.reach.telling import BLOCKED, ROOT, Story

CLASS = ("--device-class", "demo-arm")
RIG = "rig:stand-in-rig-x"
DAMAGED, SUPERSEDED = 7, 13
SIGNED = 11  # lines of an approval that say what is signed; the decision stands above them, and was shown before
ENDING = 4  # lines of a verification that say as of when it holds, and what is known since
PROGRAM = [sys.executable, "-m", "examples.reach.device"]


def release_and_recall(story: Story, models: Path) -> None:
    """The steps, in order."""
    with story.step("A device: it knows whom to trust before it knows the network"):
        provision(story)
    with story.step("Promote: two people sign what they are shown, a third publishes, the device installs"):
        promote(story, models)
    yesterday = story.place / "yesterday"
    reports = story.place / "reports"
    with story.step("Report: why is this model on that device?"):
        reports.mkdir()
        story.assay("trust", "export", "--out", reports / "trust-root.json")
        story.assay("report", "--device", "arm-7", "--out", reports / "before-recall")
        shutil.copytree(story.place / "home", yesterday, ignore=shutil.ignore_patterns("service.*", "lakefs"))
    with story.step('Recall: "the calibration of rig X was wrong"'):
        recall(story)
    with story.step("Roll back: one person, one command"):
        roll_back(story)
    with story.step("The auditor: what a report is worth, and what it is not"):
        verify(story, reports)
    with story.step("The log: one that was restored from yesterday is found by the head that the device kept"):
        audit(story, yesterday)


def provision(story: Story) -> None:
    """A device's own key; a root by its digest; enrolled by an approver's signature."""
    root = story.place / "home" / "releases" / "metadata" / "1.root.json"
    digest = story.ask("release", "root")["digest"]
    who = ("--name", "arm-7", *CLASS, "--environment", "demo", "--hardware", "bench-arm", "--site", "hall-2")
    site = ("--safe-state", " ".join([*PROGRAM, "still"]), "--health", " ".join([*PROGRAM, "check"]))
    story.edge("provision", *who, "--root", root, "--root-digest", digest, "--from", story.url, *site)
    story.assay("device", "enrol", story.device / "enrol.json", "--yes", "--as", "approver-1")
    story.edge("pull", status=BLOCKED)


def promote(story: Story, models: Path) -> None:
    """Releases 1 and 2 by two signatures each; what the gate blocked gets nowhere, not even by hand."""
    story.say("A blocked model cannot be signed, and so not promoted:")
    story.assay("approve", "reach-tainted", *CLASS, "--yes", status=BLOCKED)
    story.assay("promote", "reach-tainted", *CLASS, status=BLOCKED)
    for model, lines in (("reach-first", SIGNED), ("reach-second", 1)):
        story.quietly("approve", model, *CLASS, "--yes", "--as", "approver-1", lines=lines)
        if model == "reach-first":
            story.assay("promote", model, *CLASS, status=BLOCKED)
        story.quietly("approve", model, *CLASS, "--yes", "--as", "approver-2")
        story.assay("promote", model, *CLASS)
        story.edge("pull")
    story.edge("start", "--", *PROGRAM, "shift")
    smuggle(story, models)
    story.edge("report")
    story.assay("device", "list")


def smuggle(story: Story, models: Path) -> None:
    """Put the blocked model's files where the release's files are: the device refuses to start, then heals itself."""
    installed = next(p for p in (story.device / "releases").iterdir() if p.name == story.installed())
    story.say("Somebody copies the blocked model over the files on the device's disk:")
    for file in sorted((models / "reach-tainted").iterdir()):
        target = installed / file.name
        target.parent.chmod(0o700)
        target.unlink(missing_ok=True)
        shutil.copy(file, target)
        story.console.print(f"$ cp models/reach-tainted/{file.name} device/arm-7/releases/…/", style="bold cyan")
    story.edge("start", "--", *PROGRAM, "shift", status=BLOCKED)
    story.edge("pull")
    story.edge("start", "--", *PROGRAM, "shift")


def recall(story: Story) -> None:
    """Look first, then block everything in one step; the device hears of it."""
    story.assay("recall", RIG, "--dry-run")
    story.quietly("recall", RIG, "--reason", "the calibration of rig X was wrong", "--yes", lines=5)
    story.say("The device asks, hears of it, and starts nothing:")
    story.edge("pull", status=BLOCKED)
    story.edge("start", "--", *PROGRAM, "shift", status=BLOCKED)
    story.edge("report")
    story.assay("recall")
    story.assay("gate", "reach-second", *CLASS, "--brief", status=BLOCKED)


def roll_back(story: Story) -> None:
    """One command; the device is left alone and reports each state with its time."""
    with polling(story):
        story.assay("rollback", *CLASS, "--reason", "back to what rig X never touched", "--wait", "60")
    story.edge("start", "--", *PROGRAM, "shift")
    story.edge("report")
    story.assay("device", "show", "arm-7")


@contextmanager
def polling(story: Story) -> Iterator[None]:
    """The device polls twice a second while the block runs."""
    command = [sys.executable, "-m", "infra.edge.main", "run", "--home", str(story.device), "--every", "0.5"]
    with (story.place / "device" / "run.log").open("ab") as log:
        running = subprocess.Popen(
            [*command, "--from", story.url], cwd=ROOT, env=story.environment, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            running.terminate()
            running.wait(30)


def verify(story: Story, reports: Path) -> None:
    """The report of today's release; the one from before the recall; one that was changed; one signed anew."""
    story.assay("report", "--device", "arm-7", "--out", reports / "today")
    trust = ("--trust-root", reports / "trust-root.json")
    bundle, before = (next((reports / name).glob("*.bundle.json")) for name in ("today", "before-recall"))
    story.assay("verify", bundle, *trust)
    story.say("The report that was made before the recall still holds for its time, and says what it cannot know:")
    story.quietly("verify", before, *trust, lines=ENDING)
    size = str(story.ask("verify", str(before), *map(str, trust))["audit_head"]["size"])
    story.assay("audit", "head", "--out", reports / "head.json", "--since", size)
    story.quietly("verify", before, *trust, "--head", reports / "head.json", lines=ENDING, status=SUPERSEDED)
    changed = reports / "changed.json"
    changed.write_bytes(bundle.read_bytes().replace(b"reach-first", b"reach-worst", 1))
    story.say("One word changed:")
    story.assay("verify", changed, *trust, status=DAMAGED)


def audit(story: Story, yesterday: Path) -> None:
    """The log is whole; yesterday's, put in its place, is not the one that the device has seen."""
    head = story.kept_head()
    story.assay("audit", "verify", "--head", head)
    story.assay("down")
    today = story.environment["ASSAY_HOME"]
    restored = story.place / "restored"
    shutil.copytree(today, restored, ignore=shutil.ignore_patterns("service.*", "records.db*"))
    for part in yesterday.glob("records.db*"):
        shutil.copy(part, restored / part.name)
    story.environment |= {"ASSAY_HOME": str(restored), "ASSAY_KEYS": f"{today}-keys"}
    try:
        story.say("Somebody puts yesterday's records back:")
        story.assay("audit", "verify", "--head", head, status=DAMAGED)
        story.assay("down")
    finally:
        story.environment["ASSAY_HOME"] = today
        del story.environment["ASSAY_KEYS"]
        for folder in (restored, yesterday):
            story.remove(folder)
