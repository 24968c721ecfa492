import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from catalog.cli.check import check
from catalog.cli.episodes import ranges
from catalog.cli.findings.order import worst_first
from catalog.cli.findings.words import many, span
from validators.findings import Finding

APP = typer.Typer()
APP.command()(check)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        state = np.cumsum(np.random.default_rng(i).normal(size=(50, 2)), axis=0)
        columns = {"timestamp": np.arange(50) / 10, "observation.state": pl.Series(state).arr.to_list()}
        pl.DataFrame(columns).write_parquet(tmp_path / f"{i}.parquet")
    return tmp_path


def spoil(folder: Path, name: str, at: int) -> None:
    table = pl.read_parquet(folder / name)
    clock = table["timestamp"].to_numpy().copy()
    clock[at] = clock[at - 1]
    table.with_columns(timestamp=clock).write_parquet(folder / name)


def run(*arguments: object):
    return CliRunner().invoke(APP, [str(a) for a in arguments])


def test_a_clean_folder_exits_0(folder):
    done = run(folder, "--notes")
    assert done.exit_code == 0, done.output
    assert "PASSED" in done.stdout
    assert "recording@2, because no robot type is declared" in done.stdout
    assert "recorder_dropout: not evaluable: the format has no record" in done.stdout
    assert "synthetic: every step is 100 ms" in done.stdout


def test_findings_exit_1_and_name_episode_span_value_limit_and_resolution(folder):
    spoil(folder, "1.parquet", 20)
    done = run(folder)
    assert done.exit_code == 1
    for part in (
        "BLOCKED",
        "failing episodes: 1",
        "duplicate_times",
        "1.90-1.90 s",
        "(limit 0 ms)",
        "resolves one row",
    ):
        assert part in done.stdout


def test_unreadable_exits_2(tmp_path):
    done = run(tmp_path / "nowhere")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("path-missing: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("--suite", "nothing@1"), "suite-unknown"),
        (("--robot", "nothing.yaml"), "robot-missing"),
    ],
)
def test_a_wrong_suite_or_robot_exits_2(folder, arguments, kind):
    done = run(folder, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith(kind)
    told = json.loads(run(folder, *arguments, "--json").stdout)
    assert told["error"]["kind"] == kind


def test_json_holds_everything(folder):
    spoil(folder, "2.parquet", 20)
    done = run(folder, "--json", "--suite", "recording@1")
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (document["schema"], document["passed"], document["failing_episodes"]) == ("suite-result@1", False, [2])
    assert document["chosen"] == "recording@1, as asked"
    assert document["findings"][0]["resolves"] == "one row"


def test_explain_needs_no_path():
    done = run("--explain", "joint_zero")
    assert done.exit_code == 0
    assert "Resolves" in done.stdout
    wrong = run("--explain", "joint_hero")
    assert wrong.exit_code == 2
    assert "joint_zero" in wrong.stderr


def test_nothing_asked(folder):
    assert run().exit_code == 2


def test_names_are_shown_as_they_are(tmp_path):
    """A folder's name and a column's are text, never markup."""
    root = tmp_path / "[red]x"
    root.mkdir()
    pl.DataFrame({"timestamp": [0.0, 0.1], "[bold]a[/bold]": [1.0, float("nan")]}).write_parquet(root / "a.parquet")
    done = run(root)
    assert "[red]x" in done.stdout
    assert "[bold]a[/bold]" in done.stdout


def test_a_terminal_is_told_nothing_by_a_dataset(tmp_path):
    pl.DataFrame({"timestamp": [0.0, 0.1], "a\x1b[2Jb": [1.0, float("nan")]}).write_parquet(tmp_path / "a.parquet")
    done = run(tmp_path)
    assert "\x1b[2J" not in done.stdout
    assert "a\\x1b[2Jb" in done.stdout
    assert "\x1b" not in run(tmp_path / "no\x1b[2Jwhere").stderr


def test_the_real_recording_shows_its_facts_on_one_screen():
    folder = Path(__file__).resolve().parents[3].parent / "shared/data/lerobot_v21_unitree_g1"
    if not folder.is_dir():
        pytest.skip("the shared recordings are not beside the checkout")
    done = run(folder)
    assert done.exit_code == 1
    assert "info.json" in done.stdout
    assert "effective_frame_rate" in done.stdout
    assert len(done.stdout.splitlines()) <= 50


def test_it_runs_as_a_process_and_stops_its_bar_where_there_is_no_terminal(folder):
    script = "import typer; from catalog.cli.check import check; typer.run(check)"
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_worst_first():
    warned = Finding("w", "s", "m", episode=1, severity="warning")
    once, twice = Finding("a", "s", "m", episode=2), Finding("b", "s", "m", episode=3)
    again, whole = Finding("c", "s", "m", episode=3), Finding("d", "s", "m")
    assert worst_first((warned, once, twice, again, whole)) == [whole, twice, again, once, warned]


@pytest.mark.parametrize(
    ("indices", "text"), [((), ""), ((4,), "4"), ((9, 7, 8, 3), "3, 7-9"), (tuple(range(0, 10, 2)), "0, 2, 4, 6, 8")]
)
def test_ranges(indices, text):
    assert ranges(indices) == text


def test_long_lists_are_shortened():
    assert ranges(tuple(range(0, 10, 2)), shorten=True) == "5 of 0…8"


def test_words_are_those_of_a_person():
    assert span(Finding("gap", "t", "late", start_s=-1e-9, end_s=0.266)) == "0.00-0.27 s"
    assert (many(1, "episode"), many(0, "row")) == ("1 episode", "0 rows")
