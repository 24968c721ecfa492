"""What `assay check` writes for people and for continuous integration: each document whole, and nothing obeyed."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as Tree

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from catalog.cli.check import check
from catalog.cli.findings.curves import BLOCKS, curve
from catalog.cli.findings.order import grouped
from validators import readers, suites
from validators.excerpt import Excerpt, excerpt
from validators.findings import Finding
from validators.run import run as judge

APP = typer.Typer()
APP.command()(check)
HOSTILE = "<script>alert(1)</script>\x1b[31m\n&\"'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six episodes; the clock of three stands still, and NaN lies in one."""
    root = tmp_path / "robot data"
    root.mkdir()
    for i in range(6):
        times = np.arange(60) / 10
        if i in (1, 3, 4):
            times[20] = times[19]
        state = np.cumsum(np.random.default_rng(i).normal(size=(60, 2)), axis=0)
        if i == 2:
            state[30:33, 1] = np.nan
        columns = {"timestamp": times, "observation.state": pl.Series(state).arr.to_list()}
        pl.DataFrame(columns).write_parquet(root / f"{i}.parquet")
    return root


def run(*arguments: object):
    """With the small suite, so that each test sees the defects that it planted and no more."""
    suite = () if "--suite" in arguments or "--explain" in arguments else ("--suite", "recording@1")
    return CliRunner().invoke(APP, [*(str(a) for a in arguments), *suite])


def test_the_same_defect_in_many_episodes_is_one_line(folder):
    done = run(folder)
    assert done.exit_code == 1
    assert done.stdout.count("monotonic_time  ") == 1
    assert "1, 3-4  monotonic_time" in done.stdout
    assert "the worst of 3" in done.stdout


def test_a_curve_is_drawn_where_the_finding_is(folder):
    done = run(folder, "--pictures")
    drawn = [line for line in done.stdout.splitlines() if set(line.strip()) & set(BLOCKS)]
    assert len(drawn) == 2  # the clock, and the channel around the rows that are NaN
    assert "time from row to row, ms" in done.stdout
    assert not set(run(folder, "--no-pictures").stdout) & set(BLOCKS)
    assert not set(run(folder).stdout) & set(BLOCKS), "nobody looks at a pipe"


def test_blocks_and_marks_agree_with_the_signal():
    time = np.linspace(0, 10, 1001)
    values = np.zeros(1001)
    values[600:651] = 5.0
    blocks, marks = curve(Excerpt("v", time, values, 6.0, 6.5), 50)
    high = [i for i, b in enumerate(blocks) if b == BLOCKS[-1]]
    assert len(blocks) == 50
    assert blocks[0] == BLOCKS[0]
    assert marks.index("└") == high[0] == 30
    assert marks.index("┘") == len(marks) - 1 == 32
    assert curve(Excerpt("v", time, values * 0, 6.0, 6.0), 10)[1] == "      ^"


def test_an_excerpt_is_what_the_recording_holds(folder):
    recording = readers.open(folder)
    found = excerpt(recording, Finding("nan", "observation.state[1]", "", episode=2, start_s=3.0, end_s=3.2))
    assert found is not None
    assert (found.label, found.start_s, found.end_s) == ("observation.state[1]", 3.0, 3.2)
    whole = recording.scan(["observation.state"]).filter(pl.col("episode_index") == 2).collect()
    kept = whole.filter(pl.col("timestamp").is_between(2.5, 3.7) & pl.col("observation.state[1]").is_not_nan())
    np.testing.assert_array_equal(found.values, kept["observation.state[1]"].to_numpy())
    assert excerpt(recording, Finding("x", "observation.state", "", episode=99, start_s=0.0, end_s=1.0)) is None
    assert excerpt(recording, Finding("x", "nowhere", "", episode=2, start_s=0.0, end_s=1.0)) is None


def test_junit_has_a_case_a_check(folder, tmp_path):
    target = tmp_path / "junit.xml"
    assert run(folder, "--junit", target).exit_code == 1
    suite = Tree.parse(target).getroot()[0]
    result = judge(readers.open(folder), suites.load("recording@1"))
    cases = {c.get("name"): c for c in suite}
    assert int(suite.get("tests", "")) == len(result.outcomes) == len(suite)
    failed = {o.check for o in result.outcomes if any(f.severity == "blocking" for f in o.findings)}
    assert {n for n, c in cases.items() if c.find("failure") is not None} == failed == {"monotonic_time", "nan"}
    skipped = {o.check for o in result.outcomes if o.status == "not-evaluable" and not o.required}
    assert {n for n, c in cases.items() if c.find("skipped") is not None} == skipped
    assert (int(suite.get("failures", "")), int(suite.get("skipped", ""))) == (len(failed), len(skipped))


def test_sarif_names_rule_level_file_and_span(folder):
    done = run(folder, "--sarif", "-")
    document = json.loads(done.stdout)
    assert document["version"] == "2.1.0"
    (one,) = document["runs"]
    rules = {r["id"]: r for r in one["tool"]["driver"]["rules"]}
    assert rules.keys() == {"monotonic_time", "nan"}
    assert "Known false alarms" in rules["nan"]["fullDescription"]["text"]
    assert len(one["results"]) == 4
    nan = next(r for r in one["results"] if r["ruleId"] == "nan")
    assert nan["level"] == "error"
    assert nan["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "2.parquet"
    assert (nan["properties"]["start_s"], nan["properties"]["end_s"]) == (3.0, 3.2)
    assert one["properties"]["suiteDigest"].startswith("sha256:")


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "action") and v]


def test_the_page_stands_alone_and_shows_the_curve(folder, tmp_path):
    target = tmp_path / "report.html"
    assert run(folder, "--report", target).exit_code == 1
    text = target.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert all(a.startswith("data:image/jpeg;base64,") for a in page.addresses)
    assert page.tags.count("polyline") == 2
    assert "episodes 1, 3-4" in text
    assert text.count("<section>") == 2
    for check_name in ("monotonic_time", "nan", "jitter"):
        assert f"<td>{check_name}</td>" in text


@pytest.mark.parametrize("output", ["--report", "--junit", "--sarif"])
def test_strangers_names_are_text_everywhere(tmp_path, output):
    root = tmp_path / "d"
    root.mkdir()
    values = np.r_[np.arange(30.0), np.nan]
    pl.DataFrame({"timestamp": np.arange(31) / 10, HOSTILE: values}).write_parquet(root / "0.parquet")
    target = tmp_path / "out"
    assert run(root, output, target).exit_code == 1
    text = target.read_text(encoding="utf-8")
    assert "\x1b" not in text
    if output == "--report":
        assert "<script" not in text
    elif output == "--junit":
        assert Tree.fromstring(text) is not None
    else:
        assert HOSTILE in json.loads(text)["runs"][0]["results"][0]["message"]["text"]
    assert "\x1b" not in run(root).stdout


def test_every_output_ends_with_the_same_status(folder, tmp_path):
    options = ([], ["--json"], ["--report", tmp_path / "a"], ["--junit", "-"], ["--sarif", "-"], ["--no-pictures"])
    assert {run(folder, *o).exit_code for o in options} == {1}
    (folder / "2.parquet").unlink()
    for name in ("1", "3", "4"):
        (folder / f"{name}.parquet").unlink()
    assert {run(folder, *o).exit_code for o in options} == {0}


def test_a_document_that_cannot_be_written_is_said(folder, tmp_path):
    done = run(folder, "--report", tmp_path / "nowhere" / "r.html")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_explain_lists_all():
    done = run("--explain", "list")
    assert done.exit_code == 0
    assert re.search(r"^nan\n    expect_signals_to_be_finite: NaN and infinity", done.stdout, re.M)


def test_groups_keep_every_finding():
    findings = [Finding("a", s, "m", episode=i, value=float(i), limit=1.0) for s in ("x", "y") for i in range(5)]
    groups = grouped(findings)
    assert sorted(f.value for g in groups for f in g.findings) == sorted(f.value for f in findings)
    assert [g.worst.value for g in groups] == [4.0, 4.0]
    assert [g.episodes for g in groups] == [tuple(range(5))] * 2


def test_nothing_is_remembered(folder, tmp_path):
    """A process of its own leaves no file outside its scratch, which is gone too."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    script = "import typer; from catalog.cli.check import check; typer.run(check)"
    environment = {"HOME": str(home), "TMPDIR": str(scratch), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), "--suite", "recording@1"],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert [*home.rglob("*"), *scratch.rglob("*")] == []


def test_a_limit_is_drawn_only_where_it_is_one_of_the_curve(tmp_path):
    """A step's limit says nothing of the values of the channel; a gap's is one of the time from row to row."""
    root = tmp_path / "d"
    root.mkdir()
    time = np.arange(200) / 50
    time[100:] += 0.4
    value = np.sin(time)
    value[150:] += 3.0
    pl.DataFrame({"timestamp": time, "v": value}).write_parquet(root / "0.parquet")
    (tmp_path / "suite.json").write_text(
        json.dumps(
            {
                "name": "s@1",
                "expectations": [
                    {
                        "type": "expect_channels_to_be_between",
                        "kwargs": {"column": "v", "min_values": [-9], "max_values": [2]},
                    },
                    {"type": "expect_no_jumps", "kwargs": {}},
                ],
            }
        )
    )
    target = tmp_path / "r.html"
    assert run(root, "--suite", tmp_path / "suite.json", "--report", target).exit_code == 1
    sections = target.read_text(encoding="utf-8").split("<section>")[1:]
    dashed = {("jump" if ">jump<" in s else "channel_ranges"): "stroke-dasharray" in s for s in sections}
    assert dashed == {"channel_ranges": True, "jump": False}
