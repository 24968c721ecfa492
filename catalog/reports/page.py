"""The report as one HTML file: it needs nothing beside itself, runs no script, and whatever it shows is escaped.

Every row ends in the document it was read in, which the last table lists by name, size and digest.
"""

from __future__ import annotations

import re
from html import escape

from catalog.domain.base import utc_text
from catalog.domain.report import SAID, Fact, Report, Row, Section, Table

WORD = {"allowed": "ALLOWED", "denied": "WITHDRAWN", "lapsed": "LAPSED", "not-approved": "NOT RELEASED"}
GOOD = frozenset({"pass", "eligible", "approved"})
BAD = frozenset({"fail", "missing", "blocked"})
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z")
HEX = re.compile(r"[0-9a-f]{32}")  # as in digests and commits

STYLE = """
:root { color-scheme: light; }
body { margin: 2.2rem auto; max-width: 62rem; padding: 0 1.4rem; background: #fff; color: #16202a;
  font: 15px/1.5 "Pretendard", "Noto Sans", "Noto Sans CJK KR", system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; padding-top: .7rem;
  border-top: 2px solid #16202a; break-after: avoid; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; break-after: avoid; }
p { margin: .3rem 0 .7rem; } .answer { font-size: 1.05rem; }
.verdict { display: inline-block; padding: .15rem .7rem; margin: .5rem 0; border: 2px solid; border-radius: 4px;
  font-weight: 700; letter-spacing: .04em; } .good { color: #0a6b3b; } .bad { color: #a3121f; }
table { border-collapse: collapse; width: 100%; margin: 0 0 .6rem; font-size: .86rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid #d5dbe1;
  overflow-wrap: break-word; } th { font-weight: 600; color: #4a5763; white-space: nowrap; overflow-wrap: normal; }
tr { break-inside: avoid; }
th[scope=row] { white-space: nowrap; overflow-wrap: normal; width: 1%; padding-right: 1.4rem; }
td.key { overflow-wrap: normal; white-space: nowrap; }
code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
a { color: #1b4f8a; text-decoration: none; }
.from { white-space: nowrap; width: 1%; font-size: .78rem; padding-right: 0; } .from a { border-bottom: 1px dotted; }
ul { margin: .2rem 0 .8rem; padding-left: 1.2rem; } li { margin: .15rem 0; }
.box { border: 1px solid #d5dbe1; border-radius: 4px; padding: .7rem 1rem; margin: .9rem 0; background: #f6f8fa; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; padding: 0; } a { color: inherit; }
  .box { background: none; } @page { margin: 16mm 14mm; } }
"""


def page(report: Report) -> str:
    """The whole file."""
    title = f"Provenance of {report.model_name} for {report.device_class}"
    body = [_head(report), *(_section(s) for s in report.sections), _documents(report), _check()]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _head(report: Report) -> str:
    good = report.result == "PASSED"
    word = WORD.get(report.standing, "BLOCKED")
    rows = [
        ("model", f"{report.model_name}, {report.model}"),
        ("device class", f"{report.device_class}, environment {report.environment}"),
        ("device", report.device or "the report is of the class, not of one device"),
        ("as of", utc_text(report.as_of)),
        ("audit head", f"{report.audit_head.size}:{report.audit_head.root}"),
        ("home", f"{report.home}, governance epoch {report.epoch}"),
    ]
    cells = "".join(f'<tr><th scope="row">{escape(n)}</th><td>{_text(v)}</td></tr>' for n, v in rows)
    return (
        f"<h1>Provenance report: {escape(report.model_name)}</h1>"
        f'<div class="verdict {"good" if good else "bad"}">{word}: verification {report.result}</div>'
        f"<p>{escape(SAID[report.standing][:1].upper() + SAID[report.standing][1:])}. "
        "This says how things stood at the moment below, and nothing about what came after.</p>"
        f"<table>{cells}</table>"
        '<div class="box">This page is one rendering of the facts; <code>report.json</code> is the other. The page '
        "proves nothing by itself: check the bundle that it came in (see the end).</div>"
    )


def _section(section: Section) -> str:
    parts = [f'<h2 id="{escape(section.key)}">{escape(section.question)}</h2>']
    parts.append(f'<p class="answer">{escape(section.answer)}</p>')
    if section.notes:
        parts.append("<ul>" + "".join(f"<li>{_text(note)}</li>" for note in section.notes) + "</ul>")
    if section.facts:
        parts.append("<table>" + "".join(_fact(f) for f in section.facts) + "</table>")
    parts += [_table(t) for t in section.tables]
    return "".join(parts)


def _fact(fact: Fact) -> str:
    return f'<tr><th scope="row">{escape(fact.name)}</th><td>{_text(str(fact.value))}</td>{_from(fact.source)}</tr>'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in table.columns) + '<th class="from">from</th>'
    rows = "".join(_row(row) for row in table.rows)
    return f"<h3>{escape(table.title)}</h3><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(row: Row) -> str:
    cells = "".join(_cell(cell, first=at == 0) for at, cell in enumerate(row.cells))
    return f"<tr>{cells}{_from(row.source)}</tr>"


def _cell(cell: str, *, first: bool) -> str:
    if first and cell in GOOD | BAD:
        return f'<td class="key {"good" if cell in GOOD else "bad"}">{escape(cell)}</td>'
    return f'<td class="key">{cell}</td>' if TIME.fullmatch(cell) else f"<td>{_text(cell)}</td>"


def _text(text: str) -> str:
    """Escaped; digests and commits stand in the type of code."""
    return " ".join(f"<code>{escape(w)}</code>" if HEX.search(w) else escape(w) for w in text.split(" "))


def _from(source: str) -> str:
    if not source:
        return '<td class="from">the catalog</td>'
    return f'<td class="from"><a href="#{escape(_anchor(source))}">{escape(source)}</a></td>'


def _anchor(name: str) -> str:
    return "file-" + name.replace("/", "-")


def _documents(report: Report) -> str:
    rows = "".join(
        f'<tr id="{escape(_anchor(d.name))}"><td>{escape(d.name)}</td><td class="key">{d.size:,} B</td>'
        f"<td><code>{escape(d.sha256)}</code></td></tr>"
        for d in report.documents
    )
    return (
        "<h2>The documents behind this report</h2>"
        '<p class="answer">Each is in the bundle, whole. Its digest is what signatures and decisions name.</p>'
        f"<table><thead><tr><th>document</th><th>size</th><th>sha256</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _check() -> str:
    return (
        "<h2>How to check it</h2>"
        "<p>With the bundle and a trust root that you were given on a way you trust, offline:</p>"
        "<p><code>assay verify BUNDLE --trust-root TRUST</code></p>"
        "<p>It reads every document again: digests, signatures and whose keys they are, the approvers and that they "
        "are different people with different keys, each trial, the audit entries and that they are in the head above. "
        "What was withdrawn later is known only from a newer head: "
        "<code>assay verify BUNDLE --trust-root TRUST --head HEAD</code>. "
        "Without a trust root nothing but integrity is shown.</p>"
    )
