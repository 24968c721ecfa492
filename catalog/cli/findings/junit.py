"""The outcomes as JUnit XML, a test case a check: what blocks fails it, not evaluable skips it unless required."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as Tree

from catalog.cli.findings.order import worst_first
from catalog.cli.findings.words import number, plain, span

if TYPE_CHECKING:
    from validators.findings import Finding, Outcome
    from validators.result import SuiteResult

MAX_LINES = 200  # findings written out in one test case


def junit(name: str, result: SuiteResult) -> str:
    """The document."""
    blocked = [o for o in result.outcomes if _fails(o)]
    skipped = [o for o in result.outcomes if o.status == "not-evaluable" and not o.required]
    judged = {o.check for o in result.outcomes}
    besides = [f for f in result.blocking if f.check not in judged]  # unreadable files, another robot's record
    apart = {check: [f for f in besides if f.check == check] for check in dict.fromkeys(f.check for f in besides)}
    numbers = {
        "tests": len(result.outcomes) + len(apart),
        "failures": len(blocked) + len(apart),
        "errors": 0,
        "skipped": len(skipped),
    }
    root = Tree.Element("testsuites")
    suite = Tree.SubElement(root, "testsuite", {"name": _text(f"{name}: {result.suite.name}")})
    suite.attrib.update({k: str(v) for k, v in numbers.items()})
    for check, findings in apart.items():
        case = Tree.SubElement(suite, "testcase", {"classname": _text(result.suite.name), "name": check})
        _failure(case, findings)
    for outcome in result.outcomes:
        case = Tree.SubElement(suite, "testcase", {"classname": _text(result.suite.name), "name": outcome.check})
        if outcome.status == "not-evaluable" and outcome.required:
            message = f"not evaluable, and the suite requires it: {outcome.why}"
            Tree.SubElement(case, "failure", {"message": _text(message), "type": "not-evaluable"})
        elif outcome.status == "not-evaluable":
            Tree.SubElement(case, "skipped", {"message": _text(outcome.why)})
        elif _fails(outcome):
            _failure(case, outcome.findings)
        said = [_line(f) for f in outcome.findings if f.severity == "warning"][:MAX_LINES]
        if said or outcome.note:
            Tree.SubElement(case, "system-out").text = "\n".join(
                [*([_text(outcome.note)] if outcome.note else []), *said]
            )
    Tree.indent(root)
    return Tree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _fails(outcome: Outcome) -> bool:
    silent = outcome.status == "not-evaluable" and outcome.required
    return silent or any(f.severity == "blocking" for f in outcome.findings)


def _failure(case: Tree.Element, findings: list[Finding] | tuple[Finding, ...]) -> None:
    blocking = worst_first([f for f in findings if f.severity == "blocking"])
    message = f"{len(blocking)} findings; the worst: {_line(blocking[0])}"
    lines = [_line(f) for f in blocking[:MAX_LINES]]
    if len(blocking) > MAX_LINES:
        lines.append(f"and {len(blocking) - MAX_LINES} more")
    Tree.SubElement(case, "failure", {"message": message, "type": blocking[0].check}).text = "\n".join(lines)


def _line(finding: Finding) -> str:
    where = f"episode {finding.affected[0]}" if len(finding.affected) == 1 else f"{len(finding.affected)} episodes"
    limit = number(finding.limit, finding.unit)
    value = number(finding.value, finding.unit) + (f" (limit {limit})" if limit else "")
    parts = (where if finding.affected else "", finding.stream, span(finding), value, finding.message)
    return _text("; ".join(p for p in parts if p))


def _text(text: str) -> str:
    """Printable only: XML knows no other control characters than line breaks."""
    return plain(text)
