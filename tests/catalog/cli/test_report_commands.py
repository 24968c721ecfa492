"""Reports from the command line: taken away from a service, then checked by a process that has nothing but files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.cli.verify import STATUS
from catalog.domain.base import sha256
from catalog.domain.decision import Decision
from catalog.domain.report import REPORT_HTML, Bundle
from tests.attack.attacker import Attack
from tests.support.bundles import Handed, handed, head, payload
from tests.support.house import House, model_folder
from tests.support.recordings import recording
from tests.support.terminal import Terminal

SERVICE = ("catalog.services", "catalog.api", "catalog.db", "catalog.storage", "catalog.policy", "catalog.client")
FOREIGN = ("sqlalchemy", "fastapi", "httpx", "lakefs_sdk", "scipy", "pyarrow")
WITNESS = """
import sys
from catalog.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
loaded = [name for name in sys.modules if name.startswith({names!r})]
sys.exit(f"loaded {{loaded}}" if loaded else status)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What an auditor has: bundles of an allowed and a blocked model, the trust root, heads before and after."""
    folder = tmp_path_factory.mktemp("audit")
    house = House.begin(folder)
    taken = folder / "taken"
    taken.mkdir()
    with house.open() as desk:
        attack = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "arm-one"))
        attack.eligible("reach", folder / "reach", 1)
        (taken / "early.json").write_bytes(head(attack))
        released = desk.release("reach")
        found: Handed = handed(attack, "reach")
        (taken / "allowed.json").write_bytes(found.bundle)
        (taken / "trust.json").write_bytes(found.trust)
        attack.model("tainted", folder / "tainted", None, seed=3)
        attack.gate("tainted")
        (taken / "blocked.json").write_bytes(handed(attack, "tainted").bundle)
        (taken / "resigned.json").write_bytes(found.bent(key="approver-1"))
        size = payload(Bundle.parse(found.bundle).envelope)["predicate"]["audit_head"]["size"]
        (taken / "still.json").write_bytes(head(attack, size))
        desk.withdraw(released["release"], "wrong \x1b[2J calibration")
        (taken / "head.json").write_bytes(head(attack, size))
    (taken / "changed.json").write_bytes(found.bundle.replace(b"trials succeeded", b"trials succeedet", 1))
    (taken / "half.json").write_bytes(found.bundle[: len(found.bundle) // 2])
    return taken


@pytest.fixture(scope="module")
def offline(files: Path) -> Terminal:
    """A terminal with no home at all."""
    return Terminal(files.parent / "no-home" / "at-all")


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        (("allowed.json", "--trust-root", "trust.json"), 0, None),
        (("allowed.json", "--trust-root", "trust.json", "--head", "still.json"), 0, None),
        (("blocked.json", "--trust-root", "trust.json"), 10, "decision-blocked"),
        (("allowed.json",), 11, "report-untrusted"),
        (("resigned.json",), 11, "report-untrusted"),
        (("resigned.json", "--trust-root", "trust.json"), 12, "report-untrusted"),
        (("allowed.json", "--trust-root", "trust.json", "--head", "head.json"), 13, "report-superseded"),
        (("allowed.json", "--trust-root", "trust.json", "--head", "early.json"), 2, "trust-invalid"),
        (("allowed.json", "--trust-root", "head.json"), 2, "trust-invalid"),
        (("allowed.json", "--head", "head.json"), 2, "trust-invalid"),
        (("half.json", "--trust-root", "trust.json"), 2, "report-invalid"),
        (("trust.json", "--trust-root", "trust.json"), 2, "report-invalid"),
        (("changed.json", "--trust-root", "trust.json"), 7, "report-damaged"),
        (("changed.json",), 7, "report-damaged"),
        (("nothing.json", "--trust-root", "trust.json"), 2, "path-missing"),
    ],
)
def test_the_exit_status_says_which(
    files: Path, offline: Terminal, words: tuple[str, ...], status: int, kind: str | None
) -> None:
    given = [w if w.startswith("--") else files / w for w in words]
    said = offline("verify", *given, "--json")
    assert said.code == status, said
    found = said.json
    assert found.get("error", found)["kind"] == kind
    assert not offline.home.exists()


def test_what_was_established_is_said_line_by_line(files: Path, offline: Terminal) -> None:
    said = offline.ok("verify", files / "allowed.json", "--trust-root", files / "trust.json")
    lines = said.out.splitlines()
    assert lines[0] == "VERIFIED: this was allowed, as of the time below"
    told = {line.split()[0] for line in lines[1:]}
    assert {"integrity", "signer", "subject", "decision", "data", "evidence", "approvers", "audit", "standing"} <= told
    assert ": not known" in said.out
    assert sha256((files / "trust.json").read_bytes()) in said.out
    gone = offline(
        "verify", files / "allowed.json", "--trust-root", files / "trust.json", "--head", files / "head.json"
    )
    assert "superseded: withdrawn at " in gone.out
    assert "\x1b" not in gone.out
    assert gone.err.startswith("report-superseded: ")


def test_each_rule_is_told_with_what_it_read(files: Path, offline: Terminal) -> None:
    given = ("verify", files / "allowed.json", "--trust-root", files / "trust.json")
    said, document = offline.ok(*given).out, offline.ok(*given, "--json").json
    decision = Decision.parse(Bundle.parse((files / "allowed.json").read_bytes()).files["decision.json"])
    assert document["rules"] == [rule.document() for rule in decision.rules]
    rules = [line.split()[1:] for line in said.splitlines() if line.split()[0] == "rule"]
    floor, own = ({r.rule for r in decision.rules if r.floor is of} for of in (True, False))
    assert {word.strip(",") for word in rules[0][2:]} == floor
    assert [words[0] for words in rules[1:]] == ["pass"] * len(own)
    assert {words[1].removesuffix(":") for words in rules[1:]} == own
    assert "success.lower = 0.99" in said
    assert "rules" not in offline("verify", files / "allowed.json").out, "without a trust root nothing is established"


def test_the_page_is_the_bundles_own(files: Path, offline: Terminal, tmp_path: Path) -> None:
    page, given = tmp_path / "page.html", ("verify", files / "allowed.json", "--trust-root", files / "trust.json")
    assert "written from the bundle" in offline.ok(*given, "--page", page).out
    assert page.read_text() == Bundle.parse((files / "allowed.json").read_bytes()).files[REPORT_HTML]
    assert "byte for byte" in offline.ok(*given, "--page", page).out
    page.write_bytes(page.read_bytes().replace(b"reach", b"REACH", 1))
    assert offline.refused(*given, "--page", page).kind == "report-damaged"
    other = tmp_path / "other.html"
    assert offline("verify", files / "resigned.json", *given[2:], "--page", other).code == STATUS["untrusted"]
    assert not other.exists()


def test_the_page_names_every_status_and_every_line(files: Path, offline: Terminal) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/report.md").read_text()
    assert {int(n) for n in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == {*STATUS.values(), 2, 7}
    told: set[str] = set()
    for words in (("allowed.json", "--head", "head.json"), ("allowed.json", "--head", "still.json"), ("blocked.json",)):
        given = [w if w.startswith("--") else files / w for w in words]
        found = offline("verify", *given, "--trust-root", files / "trust.json", "--json").json
        told |= {line["what"] for line in found["established"]}
    first = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    named = {name for cell in first for name in cell.split("`")[1::2]}
    assert told <= named
    assert len(told) > 14


def test_it_needs_neither_service_nor_database(files: Path) -> None:
    script = WITNESS.format(names=(*SERVICE, *FOREIGN))
    words = ["verify", str(files / "allowed.json"), "--trust-root", str(files / "trust.json")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_take_away_and_check(tmp_path: Path) -> None:
    """As people do it, over HTTP: report, trust root, head, and each checked again."""
    assay = Terminal(tmp_path / "home")
    assay.ok("init")
    try:
        assay.ok("model", "register", "wild", model_folder(tmp_path / "wild"))
        assert assay.refused("report", "wild", "--device-class", "demo-arm").kind == "decision-unknown"
        assert assay("gate", "wild", "--device-class", "demo-arm").code == 3
        made = assay.ok("report", "wild", "--device-class", "demo-arm", "--out", tmp_path / "out", "--json").json
        assert (made["standing"], made["result"]) == ("blocked", "FAILED")
        assert Path(made["report"]).read_text().startswith("<!doctype html>")
        trust, early, late = (tmp_path / n for n in ("trust.json", "early.json", "late.json"))
        told = assay.ok("trust", "export", "--out", trust)
        assert sha256(trust.read_bytes()) in told.out
        assert assay("verify", made["bundle"], "--trust-root", trust).code == 10
        assay.ok("audit", "head", "--out", early)
        size = json.loads(assay.ok("audit", "verify", "--head", early, "--json").out)["kept"]["size"]
        assay("gate", "wild", "--device-class", "demo-arm")
        grown = assay.ok("audit", "head", "--out", late, "--since", str(size), "--json").json
        assert grown["consistency"]["since"]["size"] == size < grown["head"]["size"]
        assert assay("verify", made["bundle"], "--trust-root", trust, "--head", late).code == 10
        assert assay.refused("trust", "export", "--out", trust).kind == "already-exists"
        assert assay.refused("audit", "head", "--out", tmp_path / "x", "--since", "100000").kind == "input-invalid"
        assert assay.refused("audit", "verify", "--head", trust).kind == "envelope-invalid"
        assert assay.refused("report", "wild").kind == "input-invalid"
        assert assay.refused("report", "--device", "arm-7").kind == "device-unknown"
    finally:
        assay("down")
