"""Keys and policies as people handle them: a lost approver is replaced, and a policy is signed into force by two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.attest.keys import generate
from catalog.domain.base import sha256
from catalog.policy.shipped import shipped_policies
from tests.support.terminal import Terminal

ARM = dict(shipped_policies())["demo-arm"]
VERSION = int(ARM.partition("\nversion: ")[2].partition("\n")[0])


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("keys")
    assay = Terminal(folder / "home")
    assay.ok("init")
    yield assay
    assay("down")


def key(terminal: Terminal, name: str) -> Path:
    return terminal.home.with_name("home-keys") / f"{name}.pem"


def test_a_lost_approver_is_replaced(terminal: Terminal, tmp_path: Path) -> None:
    shown = terminal.ok("key", "revoke", "approver-2", "--lost", "--reason", "left in a train", "--yes").out
    assert "1 of 2 approvers are left" in shown
    request = tmp_path / "request.json"
    terminal.ok("key", "request", "approver-3", "--role", "approver", "--out", request)
    assert terminal.refused("key", "request", "approver-3", "--role", "approver", "--out", tmp_path / "again").kind == (
        "already-exists"
    )
    first = terminal.ok("key", "enrol", request, "--as", "root-1", "--yes").out
    assert "needs 2 signatures" in first
    assert "two approvers, or two root keys" in first
    assert "enrolled approver-3" in terminal.ok("key", "enrol", request, "--as", "root-2", "--yes").out
    plan = terminal.ok("key", "rotate", "--plan").out
    assert "- approver-2" in plan
    assert "+ approver-3" in plan
    words = ["--root-key", key(terminal, "root-1"), "--approver-key", key(terminal, "approver-1")]
    assert terminal.refused("key", "rotate", *words, "--yes").kind == "approvals-missing"
    words += ["--root-key", key(terminal, "root-2"), "--approver-key", key(terminal, "approver-3")]
    assert "rotated" in terminal.ok("key", "rotate", *words, "--yes").out
    said = terminal.refused("key", "rotate", "--plan")
    assert said.kind == "release-outdated"
    assert "there is nothing to rotate" in said.err
    assert "`assay key rotate --renew` moves expiries on" in said.err
    keys = terminal.ok("key", "list", "--json").json
    assert {v["key"]["principal"]: bool(v["why_not"]) for v in keys if v["key"]["role"] == "approver"} == {
        "approver-1": False,
        "approver-2": True,
        "approver-3": False,
    }


def test_a_device_is_enrolled_from_its_own_file(terminal: Terminal, tmp_path: Path) -> None:
    request = {
        "schema": "enrolment-request@1",
        "name": "arm-7",
        "device_class": "demo-arm",
        "environment": "demo",
        "hardware": "any",
        "site": "lab",
        "public": generate(tmp_path / "arm-7.pem"),
        "token_digest": sha256(b"arm-7"),
    }
    file = tmp_path / "enrol.json"
    file.write_text(json.dumps(request))
    said = terminal.ok("device", "enrol", file, "--as", "approver-1", "--yes").out
    assert "class demo-arm, environment demo, hardware any, site lab" in said
    assert "enrolled arm-7, signed by approver-1" in said
    assert terminal.refused("device", "enrol", file, "--yes").kind == "already-exists"
    file.write_text(json.dumps(request | {"schema": "enrolment-request@2"}))
    assert terminal.refused("device", "enrol", file, "--yes").kind == "document-invalid"
    assert terminal.refused("device", "enrol", tmp_path / "none.json", "--yes").kind == "path-missing"


def test_a_policy_is_signed_into_force_by_two(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    change = (f"version: {VERSION}\n", f"version: {VERSION + 1}\n"), ("evidence_days: 30", "evidence_days: 14")
    text = ARM
    for old, new in change:
        text = text.replace(old, new)
    file.write_text(text)
    assert "every fixture behaves" in terminal.ok("policy", "test", file).out
    diff = terminal.ok("policy", "diff", file).out
    assert "evidence_days" in diff
    assert "no live release would be blocked" in diff
    assert "another approver" in terminal.ok("policy", "activate", file, "--as", "approver-1", "--yes").out
    other = tmp_path / "other.yaml"
    other.write_text(text.replace("evidence_days: 14", "evidence_days: 29"))
    third = terminal.ok("policy", "activate", other, "--as", "approver-3", "--yes").out
    assert third.count("another text of version") == 1
    done = terminal.ok("policy", "activate", file, "--as", "approver-3", "--yes").out
    assert f"demo-arm version {VERSION + 1} is in force, signed by approver-1, approver-3" in done
    assert terminal.refused("policy", "activate", file, "--yes").kind == "already-exists"
    assert "superseded" in terminal.ok("policy", "list").out
    assert f"version {VERSION + 1}" in terminal.ok("policy", "show", "demo-arm").out
    assert terminal.refused("policy", "show", "none").kind == "policy-unknown"


def test_one_message_for_what_is_wrong(terminal: Terminal, tmp_path: Path) -> None:
    weak = tmp_path / "weak.yaml"
    weak.write_text(
        ARM.replace(f"version: {VERSION}\n", f"version: {VERSION + 9}\n").replace(
            "confidence: 0.95\n", "confidence: 0.6\n"
        )
    )
    for words, kind in (
        (("policy", "diff", weak), "policy-too-weak"),
        (("policy", "activate", weak), "policy-too-weak"),
        (("policy", "test", tmp_path / "none.yaml"), "path-missing"),
        (("policy", "activate", weak, "--as", "steward"), "role-missing"),
        (("key", "request", "x", "--role", "viewer", "--out", tmp_path / "x"), "input-invalid"),
        (("key", "revoke", "approver-1", "--reason", "r"), "input-invalid"),
        (("key", "revoke", "nobody", "--lost", "--reason", "r"), "key-unknown"),
        (
            ("key", "revoke", "approver-1", "--lost", "--reason", "r", "--as", "evaluator", "--yes"),
            "signer-not-enrolled",
        ),
        (("key", "revoke", "approver-1", "--lost", "--reason", "r"), "input-invalid"),
    ):
        said = terminal.refused(*words)
        assert said.kind == kind, (words, said)
        assert "do:" in said.err, words
