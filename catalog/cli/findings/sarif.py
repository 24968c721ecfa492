"""The findings as SARIF 2.1.0, which code hosts show beside a change: a rule a check, a result a finding."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from catalog.cli.findings.order import worst_first
from catalog.cli.findings.words import number, span

if TYPE_CHECKING:
    from validators.findings import Finding
    from validators.result import SuiteResult

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"blocking": "error", "warning": "warning"}
BESIDES = {  # said beside the checks of a suite
    "readable": "A file of the dataset that cannot be read.",
    "robot_record": "The data and the robot's record contradict each other, so its limits may judge nothing.",
    "reader": "A reader that Assay does not ship made the recording.",
}
MAX_RESULTS = 5000  # what the largest hosts take of one run


def sarif(name: str, result: SuiteResult) -> str:
    """The document. Locations are the dataset's files, relative to the folder that was checked."""
    from validators.result import engine

    findings = worst_first(result.findings)
    known = engine()
    driver = {"name": "Assay", "version": known["assay"], "rules": _rules(findings)}
    properties = {
        "dataset": name,
        "suite": result.suite.name,
        "suiteDigest": result.suite.digest,
        "engine": engine(result.engine),
        "reader": result.recording.reader or "assay",
        "passed": result.passed,
        "findings": len(findings),
        "notEvaluable": [
            {"check": o.check, "why": o.why, "required": o.required}
            for o in result.outcomes
            if o.status == "not-evaluable"
        ],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, f) for f in findings[:MAX_RESULTS]],
        "properties": properties,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"


def _rules(findings: list[Finding]) -> list[dict[str, Any]]:
    from validators.expectations import SHIPPED, explain

    known = {e.check for e in SHIPPED}
    rules = []
    for check in dict.fromkeys(f.check for f in findings):
        full = explain(check) if check in known else BESIDES.get(check, check)
        first = full.split("\n")[1] if check in known else full
        rules.append({"id": check, "shortDescription": {"text": first}, "fullDescription": {"text": full}})
    return rules


def _result(result: SuiteResult, finding: Finding) -> dict[str, Any]:
    limit = number(finding.limit, finding.unit)
    value = number(finding.value, finding.unit) + (f", limit {limit}" if limit else "")
    parts = (finding.message, span(finding), value)
    properties = {k: v for k, v in finding.to_dict().items() if v not in (None, "", [])}
    return {
        "ruleId": finding.check,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.stream}: " * bool(finding.stream) + "; ".join(p for p in parts if p)},
        "locations": [_location(uri) for uri in _files(result, finding)[:10]],
        "properties": properties,
    }


def _files(result: SuiteResult, finding: Finding) -> list[str]:
    """The files of the episodes it names; for the dataset as a whole its first file, since a place must be named."""
    if finding.check == "readable":
        return [finding.stream]
    episodes = result.recording.episodes
    named = set(finding.affected)
    found = [e.path for e in episodes if e.index in named and e.files]
    return found or [e.path for e in episodes[:1] if e.files]


def _location(path: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": quote(path)}, "region": {"startLine": 1}}}
