"""Where answers go: over an earlier answer of the same kind, never over anything else, and one to standard output."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.cli.main import app
from catalog.cli.output import say_error
from catalog.errors import Invalid
from tests.support.recordings import recording


@pytest.mark.parametrize("option", ["--report", "--sarif", "--junit"])
def test_no_file_of_the_dataset_is_overwritten(tmp_path: Path, option: str) -> None:
    folder = recording(tmp_path / "r")
    before = (folder / "meta/info.json").read_bytes()
    done = CliRunner().invoke(app, ["check", str(folder), option, str(folder / "meta/info.json")])
    assert done.exit_code == 2
    assert "is left as it is" in done.stderr
    assert (folder / "meta/info.json").read_bytes() == before


@pytest.mark.parametrize("option", ["--report", "--sarif", "--junit"])
def test_an_earlier_answer_is_written_anew(tmp_path: Path, option: str) -> None:
    folder, answer = recording(tmp_path / "r"), tmp_path / "answer"
    first = CliRunner().invoke(app, ["check", str(folder), option, str(answer)])
    again = CliRunner().invoke(app, ["check", str(folder), option, str(answer)])
    assert (first.exit_code, again.exit_code) in ((0, 0), (1, 1))


@pytest.mark.parametrize("options", [["--json", "--sarif", "-"], ["--junit", "-", "--report", "-"]])
def test_two_answers_are_not_mixed(tmp_path: Path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["check", str(tmp_path), *options])
    assert done.exit_code == 2
    assert not done.stdout


def test_a_proposed_suite_does_not_replace_a_kept_one(tmp_path: Path) -> None:
    folder, kept = recording(tmp_path / "r"), tmp_path / "kept.json"
    kept.write_text("changed by hand")
    done = CliRunner().invoke(app, ["profile", str(folder), "--name", "arm@9", "--out", str(kept)])
    assert done.exit_code != 0
    assert kept.read_text() == "changed by hand"


def test_what_a_stranger_named_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(Invalid("dataset-unreadable", "a\x1b[31m\nb", where="\x07", do="mend"), as_json=False)
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\x07" not in said
    assert len(said.splitlines()) == 3
