"""What may not be read is `access-denied`, by its name: a folder that cannot be listed is no empty one."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.recordings import recording

ROOT = Path(__file__).parents[3]
NOBODY = 65534
CHECKED = """
import json, os, sys
from validators import readers, suites
from validators.errors import UnreadableDataset
from validators.run import run
list(readers.readers())  # what is imported late is imported by who may
run(readers.open(sys.argv[2]), suites.load("recording@1"))
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[3]))
try:
    document = run(readers.open(sys.argv[1]), suites.load("recording@1"))
    print(json.dumps({f.stream: f.message for f in document.findings}))
except UnreadableDataset as error:
    print(json.dumps({"kind": error.kind, "what": str(error)}))
"""


@pytest.fixture
def folder():
    """A recording in a folder that everybody may pass; pytest's own are their user's alone."""
    above = Path(tempfile.mkdtemp())
    above.chmod(0o755)
    yield recording(above / "r", episodes=2)
    for path, _, _ in os.walk(above):
        Path(path).chmod(0o755)
    shutil.rmtree(above)


def opened_by_nobody(path: Path, whole: Path):
    """What opening and judging say to a user who owns nothing here."""
    command = [sys.executable, "-c", CHECKED, str(path), str(whole), str(NOBODY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("inner", [".", "data", "data/chunk-000", "meta", "meta/info.json", "meta/episodes.jsonl"])
def test_what_may_not_be_read_is_named(folder, tmp_path, inner):
    whole = recording(tmp_path / "whole")
    assert opened_by_nobody(folder, whole) == {}
    (folder / inner).chmod(0)
    said = opened_by_nobody(folder, whole)
    assert said["kind"] == "access-denied"
    assert str(folder / inner) in said["what"]


def test_an_episode_that_may_not_be_read_is_named(folder, tmp_path):
    file = next(folder.glob("data/**/*.parquet"))
    file.chmod(0)
    said = opened_by_nobody(folder, recording(tmp_path / "whole"))
    assert "ermission" in said[str(file.relative_to(folder))]
