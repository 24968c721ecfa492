"""Every command on a small catalog: help at once, `--json` parses, exit status and one message with a stable kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from catalog.cli.main import app
from tests.support.house import ROBOT, model_folder
from tests.support.recordings import recording
from tests.support.terminal import Terminal

URDF = """<robot name="My_Arm_2"><link name="a"/><link name="b"/><joint name="j" type="revolute">
<parent link="a"/><child link="b"/><axis xyz="0 0 1"/><limit lower="-1" upper="1" velocity="1" effort="1"/>
</joint></robot>"""
HEAVY = (
    "polars",
    "pandas",
    "numpy",
    "streamlit",
    "lakefs_sdk",
    "sqlalchemy",
    "fastapi",
    "httpx",
    "rich.table",
    "scipy",
)


def commands() -> list[tuple[str, ...]]:
    """Every command, as typed."""

    def walk(command: click.Command, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        below = getattr(command, "commands", {})
        return [words, *(w for name, c in below.items() for w in walk(c, (*words, name)))]

    return walk(typer.main.get_command(app), ())


SCRIPT = """
import sys
from catalog.cli.main import app
for words in {commands!r}:
    try:
        app([*words, "--help"])
    except SystemExit as end:
        assert end.code == 0, words
    assert not [m for m in {heavy!r} if m in sys.modules], words
"""


def test_help_of_every_command_is_plain_and_imports_nothing_heavy() -> None:
    script = SCRIPT.format(commands=commands(), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: ") == len(commands()) > 20
    assert "\x1b" not in done.stdout


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A catalog with an approved version, a failing ingest and a model nobody recorded."""
    folder = tmp_path_factory.mktemp("cli")
    assay = Terminal(folder / "home")
    assay.ok("init")
    (folder / "robot.json").write_text(json.dumps(ROBOT))
    assay.ok("robot", "register", folder / "robot.json", "--suite", "arm@1")
    assay.ok("dataset", "register", "arm", recording(folder / "one"), "--ingest", "one")
    assay.ok("dataset", "check", "arm", "--ingest", "one")
    assay.ok("dataset", "approve", "arm", "--ingest", "one")
    assay.ok("dataset", "register", "arm", recording(folder / "two", seed=2, spoil={1: "gap"}), "--ingest", "two")
    assay.ok("model", "register", "wild", model_folder(folder / "wild"))
    yield assay
    assay("down")


def test_json_of_every_question(terminal: Terminal) -> None:
    for words, code in (
        (("status",), 0),
        (("audit", "verify"), 0),
        (("audit", "list"), 0),
        (("dataset", "list"), 0),
        (("dataset", "show", "arm"), 0),
        (("dataset", "check", "arm", "--ingest", "two"), 1),
        (("model", "list"), 0),
        (("model", "show", "wild"), 0),
        (("trace", "arm@v1.0.0"), 0),
        (("trace", "arm", "--down", "--episodes"), 0),
        (("gate", "wild", "--device-class", "demo-arm"), 3),
        (("line", "enrol", "reach", "--device-class", "demo-arm"), 0),
    ):
        said = terminal(*words, "--json")
        assert said.code == code, (words, said)
        assert said.json, words


def test_json_of_every_refusal(terminal: Terminal, tmp_path: Path) -> None:
    for words, kind in (
        (("dataset", "show", "none"), "dataset-unknown"),
        (("dataset", "approve", "arm", "--ingest", "two"), None),
        (("dataset", "rebase", "arm", "--ingest", "one"), "already-exists"),
        (("dataset", "register", "arm", tmp_path / "none"), "path-missing"),
        (("dataset", "quarantine", "arm", "--ingest", "one", "--episodes", "x", "--reason", "r"), "input-invalid"),
        (("model", "show", "none"), "model-unknown"),
        (("model", "register", "m", tmp_path), "model-invalid"),
        (("plan", "wild", "--device-class", "demo-arm", "--line", "reach"), "plan-refused"),
        (("plan", "wild", "--device-class", "none", "--line", "reach"), "policy-missing"),
        (("trace", "nothing"), "node-unknown"),
        (("audit", "verify", "--head", "1:x"), "document-invalid"),
        (("init",), "already-exists"),
    ):
        said = terminal.refused(*words, "--json")
        document = said.json
        if kind is not None:
            assert document["error"]["kind"] == kind, (words, said)
            assert document["error"]["what"]


def test_a_refusal_for_people(terminal: Terminal) -> None:
    said = terminal.refused("dataset", "show", "none")
    assert (said.code, said.kind, said.out) == (4, "dataset-unknown", "")
    assert "do:" in said.err


def test_the_wrong_role(terminal: Terminal) -> None:
    said = terminal.refused("dataset", "check", "arm", "--ingest", "one", "--as", "viewer")
    assert (said.code, said.kind) == (3, "role-missing")


def test_who_may_not_sign_leaves_no_proposal(terminal: Terminal) -> None:
    for name in ("engineer", "releaser"):
        said = terminal.refused("approve", "wild", "--device-class", "demo-arm", "--as", name)
        assert said.kind == "role-missing"
        assert "may not release.approve" in said.err
        assert "role approver (" in said.err
    assert terminal.ok("release", "list", "--json").json == []


def test_answers_for_scripts(terminal: Terminal) -> None:
    told = terminal.ok("status")
    assert f"service: {terminal.ok('status', '--json').json['service']}" in told.out
    said = Terminal(terminal.home, {"COLUMNS": "40"}).ok("release", "root")
    digest, file = said.out.removesuffix("\n").split("  ")
    assert digest.startswith("sha256:")
    assert Path(file).name == "1.root.json"


def test_an_answer_that_nobody_takes_is_no_traceback(terminal: Terminal) -> None:
    words = f"{sys.executable} -m catalog.cli.main"
    for command in ("audit verify", "audit list", "audit list --json"):
        line = f"{words} {command} | head -c 1; exit ${{PIPESTATUS[0]}}"
        piped = subprocess.run(["bash", "-c", line], env=terminal.variables, capture_output=True, check=False)
        assert piped.stderr == b"", command
        line = f"{words} {command} > /dev/full"
        full = subprocess.run(["sh", "-c", line], env=terminal.variables, capture_output=True, check=False)
        assert full.returncode == 6, command
        assert full.stderr.startswith(b"disk-full: the answer cannot be written: "), command
        assert full.stderr.count(b"\n") == 2, command


def test_who_registered_may_not_approve_and_a_wrong_key_signs_nothing(terminal: Terminal) -> None:
    keys = terminal.home.with_name("home-keys")
    said = terminal.refused("dataset", "approve", "arm", "--ingest", "one", "--key", keys / "evaluator.pem")
    assert said.kind in (
        "signer-not-enrolled",
        "signature-invalid",
        "decision-blocked",
        "already-exists",
        "version-outdated",
    )
    said = terminal.refused("dataset", "approve", "arm", "--ingest", "one", "--as", "engineer")
    assert said.kind in ("role-missing", "path-missing", "version-outdated", "decision-blocked", "already-exists")


def test_a_kept_head(terminal: Terminal) -> None:
    report = terminal.ok("audit", "verify", "--json").json
    head = f"{report['size']}:{report['root']}"
    terminal.ok("line", "enrol", "kept", "--device-class", "demo-arm")
    terminal.ok("audit", "verify", "--head", head)
    forged = f"{report['size']}:sha256:{'0' * 64}"
    assert terminal.refused("audit", "verify", "--head", forged).kind == "audit-damaged"
    beyond = f"{report['size'] + 1000}:sha256:{'0' * 64}"
    assert terminal.refused("audit", "verify", "--head", beyond).kind == "audit-damaged"


def test_wrong_variables(terminal: Terminal) -> None:
    for extra, word in (
        ({"ASSAY_HOEM": "/tmp"}, "ASSAY_HOEM"),
        ({"ASSAY_KEYS": str(terminal.home / "keys")}, "inside"),
        ({"ASSAY_POLL_SECONDS": "never"}, "ASSAY_POLL_SECONDS"),
        ({"ASSAY_IDLE_SECONDS": "0"}, "ASSAY_IDLE_SECONDS"),
        ({"ASSAY_ENVIRONMENT": "prod"}, "ASSAY_ENVIRONMENT"),
        ({"ASSAY_LAKEFS_URL": "http://x"}, "ASSAY_LAKEFS_KEY"),
    ):
        said = Terminal(terminal.home, extra).refused("status")
        assert (said.code, said.kind) == (2, "settings-invalid"), said
        assert word in said.err


def test_a_wrong_token(terminal: Terminal) -> None:
    said = Terminal(terminal.home, {"ASSAY_TOKEN": "wrong"}).refused("status")
    assert (said.code, said.kind) == (77, "token-invalid")
    said = terminal.refused("status", "--as", "nobody")
    assert (said.code, said.kind) == (77, "token-missing")
    assert "approver-1, approver-2, engineer, evaluator, release, releaser, report, root-1" in said.err


def test_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in ("nothing", "file"):
        assert Terminal(tmp_path / home).refused("status").kind == "home-not-initialised"
    assert not (tmp_path / "nothing").exists()


def test_init_takes_no_folder_that_is_not_empty_or_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    for home, kind in (
        (full, "already-exists"),
        (tmp_path / "file", "path-unreadable"),
        ("/proc/x", "path-unreadable"),
    ):
        said = Terminal(Path(home)).refused("init")
        assert said.kind == kind, said
        assert "do:" in said.err
    assert [p.name for p in full.iterdir()] == ["mine"]
    assert not full.with_name("full-keys").exists()


def test_of_two_inits_at_once_one_wins(tmp_path: Path) -> None:
    assay = Terminal(tmp_path / "home")
    said = [assay.end(p) for p in [assay.start("init"), assay.start("init")]]
    assay("down")
    assert sorted(s.code for s in said) == [0, 5], said
    assert next(s for s in said if s.code == 5).kind == "already-exists"


def test_what_is_approved_already_is_not_judged_again(terminal: Terminal) -> None:
    said = terminal.refused("dataset", "approve", "arm", "--ingest", "one")
    assert (said.code, said.kind, said.out) == (5, "already-exists", "")
    assert "approved already as v1.0.0" in said.err


def test_an_ingest_that_fails_and_is_outdated_is_blocked_and_says_what_is_not_so(terminal: Terminal) -> None:
    checked = terminal("dataset", "check", "arm", "--ingest", "two")
    assert checked.code == 1
    assert "(limit " in checked.out
    said = terminal.refused("dataset", "approve", "arm", "--ingest", "two")
    assert (said.code, said.kind) == (3, "decision-blocked")
    assert "not so: " in said.out
    assert all(f"assay {words}" in said.err for words in ("dataset check", "dataset quarantine", "clean"))


def test_a_robot_whose_name_is_no_slug_is_given_one(terminal: Terminal, tmp_path: Path) -> None:
    urdf = tmp_path / "My_Arm_2.urdf"
    urdf.write_text(URDF)
    said = terminal.ok("robot", "register", urdf, "--suite", "arm@1")
    assert "recorded robot my-arm-2 (the record calls it My_Arm_2)" in said.out
