"""What the documentation says is tried: commands parse, links lead somewhere, code compiles, documents are valid."""

import ast
import dataclasses
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from catalog.api.app import create_app
from catalog.api.http import State
from catalog.cli.main import app
from catalog.domain.dataset import Provenance
from catalog.domain.evidence import Trial
from catalog.domain.harness import HarnessModule
from catalog.domain.model import Contract
from catalog.errors import CLASSES, Invalid
from catalog.policy.floor import dataset_floor, model_floor
from catalog.policy.floor_facts import DatasetFloor, ModelFloor
from catalog.policy.loader import load
from catalog.settings import PREFIX, Settings
from tests.benchmarks.__main__ import PARTS as BENCHMARKS
from tests.support.house import ROBOT, model_folder
from tests.support.recordings import provenance, recording
from validators.declarations import declaration
from validators.errors import ValidatorError
from validators.expectations import SHIPPED
from validators.expectations.expectation import Expectation
from validators.robot import load as load_robot

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PARTS = re.compile(r"(Unit|Default|Source|Resolves|Known false alarms): ")

page = pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())


def blocks(path: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(path.read_text()) if kind == language]


def commands(path: Path) -> Iterator[list[str]]:
    """Every `assay …` of a page: lines of shell blocks, and inline code with a subcommand."""
    text = path.read_text()
    lines = [line for block in blocks(path, "sh") for line in block.splitlines()]
    lines += re.findall(r"`(assay [a-z][^`]*)`", BLOCK.sub("", text))
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] == ["assay"]:
            yield words[1:]


def parse(words: list[str]) -> None:
    """Parse a command line as the command would, without running it; a missing argument is prose, not a mistake."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("assay", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        assert words, "a group alone"
        assert words[0] in command.commands, f"no command {words[0]!r} in {command.name}"
        command, words = command.commands[words[0]], words[1:]
        context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
    known = {o: p for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}
    arguments = sum(1 for p in command.params if p.param_type_name == "argument")
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("-"):
            assert word in known, f"{command.name} has no option {word}"
            if not known[word].is_flag and rest:
                rest.pop(0)
        else:
            arguments -= 1
    assert arguments >= 0, f"{command.name} takes fewer arguments"


@page
def test_commands_parse(path: Path) -> None:
    for words in commands(path):
        if not {"…", "..."} & set(words):
            parse(words)


def test_a_wrong_command_does_not_parse() -> None:
    for wrong in (["polish"], ["gate", "m", "--policy", "mine"], ["dataset", "show", "a", "b"]):
        with pytest.raises(AssertionError):
            parse(wrong)


@page
def test_shell_blocks_give_whole_commands(path: Path) -> None:
    """What stands in a block can be copied: required options are there."""
    for block in blocks(path, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["assay"]:
                continue
            command: Any = typer.main.get_command(app)
            for word in words[1:]:
                if word in getattr(command, "commands", {}):
                    command = command.commands[word]
            for required in (p for p in command.params if p.required and p.param_type_name == "option"):
                assert set(required.opts) & set(words), f"{line!r} lacks {required.opts[0]}"


@page
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.is_file(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{path.name} links to {target}"


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@page
def test_paths_exist(path: Path) -> None:
    """Code spans that look like files or folders of the repository."""
    for span in re.findall(r"`([\w./-]+/[\w./{},-]*)`", BLOCK.sub("", path.read_text())):
        first = span.split("/")[0]
        if first in {"catalog", "validators", "lineage", "infra", "ui", "tests", "examples", "docs"}:
            assert (ROOT / span).exists(), f"{path.name} names {span}"
    if path.name == "architecture.md":
        for span in re.findall(r"`((?:services|policy|domain|db)/\w+\.py)`", path.read_text()):
            assert (ROOT / "catalog" / span).is_file(), f"{path.name} names {span}"


@page
def test_python_compiles_and_imports_resolve(path: Path) -> None:
    for source in blocks(path, "python"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                for name in node.names:
                    importlib.import_module(name.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names)


@page
def test_make_targets_and_variables_exist(path: Path) -> None:
    text = path.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", " ".join(re.findall(r"`[^`]+`", text) + blocks(path, "sh")))) <= targets
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"\bASSAY_[A-Z_]+\b", text)) <= known


def test_every_part_of_the_benchmarks_has_its_figures_on_the_page() -> None:
    named = re.findall(r"python -m tests\.benchmarks ([a-z-]+)", (ROOT / "docs/figures.md").read_text())
    assert set(named) == set(BENCHMARKS)


def test_provenance_examples_are_valid() -> None:
    examples = blocks(ROOT / "docs/provenance.md", "json")
    assert [Provenance.of(json.loads(e)).source.origin for e in examples] == [
        "recorded, origin unverified",
        "simulated",
    ]


def test_the_contract_example_is_valid_and_every_field_is_explained() -> None:
    page = ROOT / "docs/models.md"
    (example,) = blocks(page, "json")
    contract = json.loads(example)
    assert contract.keys() == Contract.of(contract).document().keys()
    explained = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.+?) \|", page.read_text(), re.MULTILINE))))
    assert contract.keys() | contract["inputs"][0].keys() <= explained
    for key in contract.keys() - {"base_model"}:
        with pytest.raises(Invalid):
            Contract.of({k: v for k, v in contract.items() if k != key})


def test_the_robot_example_is_a_record(tmp_path: Path) -> None:
    (example,) = (text for text in blocks(ROOT / "docs/checks.md", "yaml") if "robot@1" in text)
    (tmp_path / "robot.yaml").write_text(example)
    (tmp_path / "arm.xml").write_text((ROOT / "examples/reach/arm.xml").read_text())
    robot = load_robot(tmp_path / "robot.yaml")
    assert (robot.name, len(robot.channels)) == ("reach-arm", 3)
    assert robot.site() is not None


def test_the_declaration_example_says_all_that_may_be_declared() -> None:
    (example,) = (text for text in blocks(ROOT / "docs/checks.md", "yaml") if "declaration@1" in text)
    declared = declaration.parse(example, "assay.yaml")
    assert all(getattr(declared, field.name) for field in dataclasses.fields(declared))


def test_the_policy_example_is_proven() -> None:
    (example,) = blocks(ROOT / "docs/policies.md", "yaml")
    assert load(example).name == "tiny-arm"


def test_the_floor_is_listed() -> None:
    text = (ROOT / "docs/policies.md").read_text().partition("## The floor")[2]
    _, model, dataset = text.split("| for a ")
    nothing: dict[str, Any] = {"clock": None, "environment": "demo", "mode": "single-operator", "policy": None}
    assert rules_of(model) == {r.rule for r in model_floor(ModelFloor(**nothing, device_class="any", run=None))}
    assert rules_of(dataset) == {r.rule for r in dataset_floor(DatasetFloor(**nothing, candidate="0" * 64))}


def rules_of(section: str) -> set[str]:
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([a-z-]+)`", " ".join(first)))


def test_the_harness_example_runs(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "docs/evaluation.md", "python")
    module: dict[str, Any] = {}
    exec(compile(example, "docs/evaluation.md", "exec"), module)
    assert set(HarnessModule.__annotations__) <= module.keys()
    run = module["trials"](tmp_path, [1, 2], lambda done, of: None)
    with pytest.raises(NotImplementedError):  # as it stands, it is no harness that always succeeds
        next(run)
    with pytest.raises(NotImplementedError):
        module["step"](tmp_path)
    module["rollout"] = lambda folder, seed: ({1: 0.01, 2: 0.03}[seed], 1.5)
    rows = [Trial.of(row) for row in module["trials"](tmp_path, [1, 2], lambda done, of: None)]
    assert [(row.seed, row.outcome) for row in rows] == [(1, "success"), (2, "failure")]


def test_a_reader_of_the_readme_gets_there(tmp_path: Path) -> None:
    """The second block of "Your own data" and the training job after it, as they stand, on a folder of one's own."""
    section = (ROOT / "README.md").read_text().partition("## Your own data")[2]
    walk = next(block for kind, block in BLOCK.findall(section) if "assay init" in block)
    (job,) = [block for kind, block in BLOCK.findall(section) if kind == "python"]
    folder, home = recording(tmp_path / "folder"), tmp_path / "home"
    (tmp_path / "provenance.json").write_text(json.dumps(provenance()))
    model_folder(tmp_path / "models" / "reach-first")
    (tmp_path / "robot.json").write_text(json.dumps(ROBOT))
    own = {"PATH": str(folder), "provenance.json": str(tmp_path / "provenance.json")}
    own["examples/reach/robot.yaml"] = str(tmp_path / "robot.json")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)} | {"ASSAY_HOME": str(home)}
    assay = [sys.executable, "-m", "catalog.cli.main"]

    def run(command: list[str], where: Path) -> str:
        done = subprocess.run(command, cwd=where, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    try:
        for line in walk.splitlines():
            words = [own.get(word, word) for word in shlex.split(line, comments=True)]
            if words[:1] == ["assay"]:
                said = run([*assay, *words[1:]], ROOT)
        assert "approved" in said
        assert "v1.0.0" in said
        run([sys.executable, "-c", job], tmp_path)
        assert "trained-on  pick-place v1.0.0" in run([*assay, "trace", "reach-first"], ROOT)
    finally:
        run([*assay, "down"], ROOT)


def test_the_api_page_names_real_routes() -> None:
    text = (ROOT / "docs/api.md").read_text()
    served = create_app(cast(State, None))
    assert served.openapi_url is not None
    routes = {*served.openapi()["paths"], served.openapi_url}
    named = {name.rstrip(".") for name in re.findall(r"/api/v1/[\w{}/.]+", text)}
    assert len(named) > 4
    assert named <= routes


def error_table() -> str:
    rows = []
    for cls in CLASSES:
        means = (cls.__doc__ or "").split("\n")[0]
        kinds = ", ".join(f"`{kind}`" for kind in sorted(cls.kinds))
        rows.append(f"| {cls.__name__} | {means} | {cls.exit_code} | {cls.status} | {kinds} |")
    return "\n".join(rows)


def validator_error_table() -> str:
    rows = []
    for cls in ValidatorError.__subclasses__():
        means = (cls.__doc__ or "").split("\n")[0]
        rows.append(f"| {cls.__name__} | {means} | {', '.join(f'`{kind}`' for kind in sorted(cls.KINDS))} |")
    return "\n".join(rows)


def check_table() -> str:
    rows = [
        "| check | what it computes | unit | default | resolves | known false alarms |",
        "|---|---|---|---|---|---|",
    ]
    for expectation in SHIPPED:
        said = parts(expectation)
        cells = [f"`{expectation.check}`<br>`{expectation.type}`", said[""]]
        cells += [said.get(name, "") for name in ("Unit", "Default", "Resolves", "Known false alarms")]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def parts(expectation: type[Expectation]) -> dict[str, str]:
    """The docstring by its headings; before the first one stands what is computed."""
    first, *rest = PARTS.split(" ".join((expectation.__doc__ or "").split()))
    return {
        "": first.strip(),
        **{name: text.strip().rstrip(".") for name, text in zip(rest[::2], rest[1::2], strict=True)},
    }


@pytest.mark.parametrize(
    ("name", "table"),
    [("docs/errors.md", error_table), ("docs/errors.md", validator_error_table), ("docs/catalogue.md", check_table)],
)
def test_tables_are_what_the_code_says(name: str, table: Any) -> None:
    """When this fails, replace the table on that page with the one that the code gives."""
    assert table() in (ROOT / name).read_text()
