"""The verdict as one HTML file: it needs nothing beside itself, runs no script, and whatever it shows is escaped."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from catalog.cli.episodes import ranges
from catalog.cli.findings.order import Group, grouped
from catalog.cli.findings.stills import stills
from catalog.cli.findings.words import counts, facts, number, plain, span

if TYPE_CHECKING:
    from validators.excerpt import Excerpt
    from validators.findings import Finding, Outcome
    from validators.result import SuiteResult

DRAWN = 40  # groups with a plot and pictures
LISTED = 200  # findings of one group written out
WIDTH, HEIGHT, LEFT, LOW = 760, 150, 64, 22  # px of a plot and of its margins
POINTS = 800

STYLE = """
:root { color-scheme: light; }
body { margin: 2rem auto; max-width: 58rem; padding: 0 1.2rem; background: #fff; color: #16202a;
  font: 15px/1.5 "Pretendard", "Noto Sans", "Noto Sans CJK KR", system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; padding-top: .6rem; border-top: 2px solid #16202a; }
.verdict { display: inline-block; padding: .1rem .7rem; margin: .5rem 0; border: 2px solid; border-radius: 4px;
  font-weight: 700; letter-spacing: .04em; }
.good { color: #0a6b3b; } .bad { color: #a3121f; } .warn { color: #8a5a00; }
section { border: 1px solid #d5dbe1; border-radius: 4px; padding: .6rem 1rem .8rem; margin: .9rem 0;
  break-inside: avoid; }
section h3 { margin: 0; font-size: 1rem; } .say { margin: .2rem 0; overflow-wrap: anywhere; }
.small { color: #4a5763; font-size: .84rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; } th, td { text-align: left; vertical-align: top;
  padding: .22rem .8rem .22rem 0; border-bottom: 1px solid #d5dbe1; overflow-wrap: anywhere; }
th { color: #4a5763; font-weight: 600; }
th, td:first-child, td.key { overflow-wrap: normal; white-space: nowrap; }
svg { width: 100%; height: auto; display: block; margin: .4rem 0; }
figure { display: inline-block; margin: .3rem .5rem .2rem 0; }
figure img { width: 11rem; max-width: 44vw; display: block; }
figcaption { font-size: .78rem; color: #4a5763; } code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } @page { margin: 15mm; } }
"""


def page(name: str, result: SuiteResult, chosen: str) -> str:
    """The whole file; the first `DRAWN` groups of findings with a plot and pictures at their time span."""
    groups = grouped(result.findings)
    parts = [_head(name, result, chosen)]
    if groups:
        parts.append(f"<h2>Findings, the worst first</h2>{''.join(_group(result, g, i) for i, g in enumerate(groups))}")
    parts += [_checks(result), _engine(result)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:"><meta name="viewport" content="width=device-width">'
        f"<title>{_text(name)}: {_word(result)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _word(result: SuiteResult) -> str:
    return "PASSED" if result.passed else "BLOCKED"


def _head(name: str, result: SuiteResult, chosen: str) -> str:
    failing = ranges(result.failing_episodes)
    robot = f" · robot {result.robot.name}" if result.robot else ""
    return (
        f"<h1>{_text(name)}</h1>"
        f'<p class="small">{_text(" · ".join(facts(result)))}<br>{_text(f"suite {chosen}{robot}")}</p>'
        f'<p class="verdict {"good" if result.passed else "bad"}">{_word(result)}</p>'
        f"<p>{_text(counts(result))}{f'; failing episodes: {_text(failing)}' if failing else ''}</p>"
    )


def _group(result: SuiteResult, group: Group, place: int) -> str:
    worst = group.worst
    kind = "bad" if worst.severity == "blocking" else "warn"
    episodes = ranges(group.episodes, shorten=True)
    where = (
        f"episode {episodes}" if len(group.episodes) == 1 else f"episodes {episodes}" if episodes else "whole dataset"
    )
    limit = number(worst.limit, worst.unit)
    value = number(worst.value, worst.unit) + (f" (limit {limit})" if limit else "")
    known = " · ".join(p for p in (where, span(worst), value) if p)
    parts = [
        f'<h3><span class="{kind}">{_text(worst.check)}</span> {_text(worst.stream)}</h3>',
        f'<p class="say">{_text(worst.message)}</p><p class="small">{_text(known)}',
        f" · resolves {_text(worst.resolves)}</p>" if worst.resolves else "</p>",
    ]
    if place < DRAWN:
        parts.append(_pictures(result, group))
    if len(group.findings) > 1:
        parts.append(_listed(group))
    return f"<section>{''.join(parts)}</section>"


def _pictures(result: SuiteResult, group: Group) -> str:
    from validators.excerpt import excerpt

    piece = excerpt(result.recording, group.worst)
    drawn = plot(piece, _limit_of(piece, group.worst)) if piece else ""
    images = [
        f'<figure><img alt="frame at {_text(time)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{_text(time)}</figcaption></figure>"
        for time, data in stills(result.recording, group.worst)
    ]
    return drawn + "".join(images)


def _limit_of(piece: Excerpt, finding: Finding) -> float | None:
    """The limit where it is one of the curve's own values: then the value found is a point of the curve."""
    if finding.limit is None or finding.value is None:
        return None
    nearest = abs(piece.values - finding.value).min()
    return finding.limit if nearest <= 1e-5 * max(abs(finding.value), 1e-9) else None


def plot(piece: Excerpt, limit: float | None) -> str:
    """An SVG of the curve with the span shaded, and the limit where it lies within the picture."""
    step = max(1, len(piece.time_s) // POINTS)
    times, values = piece.time_s[::step], piece.values[::step]
    low, high = float(piece.values.min()), float(piece.values.max())
    reach = (high - low) or max(abs(high), 1.0)
    if limit is not None and low - reach <= limit <= high + reach:
        low, high = min(low, limit), max(high, limit)
    height = (high - low) or 1.0
    start, length = float(times[0]), float(times[-1] - times[0]) or 1.0

    def x(time: float) -> float:
        return LEFT + min(max((time - start) / length, 0.0), 1.0) * (WIDTH - LEFT - 8)

    def y(value: float) -> float:
        return 6 + (high - value) / height * (HEIGHT - LOW - 6)

    points = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(times, values, strict=True))
    left, right = x(piece.start_s), max(x(piece.end_s), x(piece.start_s) + 2)
    shown = limit is not None and low <= limit <= high
    line = (
        f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(limit):.1f}" y2="{y(limit):.1f}" stroke="#a3121f" '
        'stroke-dasharray="5 4"/>'
        if shown and limit is not None
        else ""
    )
    label = 'font-size="11" fill="#4a5763"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(piece.label)}">'
        f'<rect x="{left:.1f}" y="6" width="{right - left:.1f}" height="{HEIGHT - LOW - 6}" fill="#f6d9dc"/>{line}'
        f'<polyline points="{points}" fill="none" stroke="#1b4f8a" stroke-width="1.3"/>'
        f'<text x="0" y="15" {label}>{high:.4g}</text><text x="0" y="{HEIGHT - LOW}" {label}>{low:.4g}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}" {label}>{start:.2f} s</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end" {label}>{start + length:.2f} s</text>'
        f'<text x="{WIDTH // 2}" y="{HEIGHT - 6}" text-anchor="middle" {label}>{_text(piece.label)}</text></svg>'
    )


def _listed(group: Group) -> str:
    rows = "".join(
        f"<tr><td>{_text(ranges(f.affected, shorten=True) or 'all')}</td><td>{_text(span(f))}</td>"
        f"<td>{_text(number(f.value, f.unit))}</td><td>{_text(f.message)}</td></tr>"
        for f in group.findings[:LISTED]
    )
    more = len(group.findings) - LISTED
    rest = f'<p class="small">and {more} more</p>' if more > 0 else ""
    head = "<tr><th>episode</th><th>time</th><th>value</th><th>what</th></tr>"
    return f"<details><summary>all {len(group.findings)}</summary><table>{head}{rows}</table>{rest}</details>"


def _checks(result: SuiteResult) -> str:
    rows = "".join(_check(o) for o in result.outcomes)
    head = "<tr><th>check</th><th>outcome</th><th>said</th></tr>"
    return f"<h2>Checks</h2><table>{head}{rows}</table>"


def _check(outcome: Outcome) -> str:
    blocks = outcome.required and outcome.status == "not-evaluable"
    word = {"found": f"found {len(outcome.findings)}", "clean": "clean"}.get(outcome.status, "not evaluable")
    kind = {"clean": "good", "found": "bad" if outcome.severity == "blocking" else "warn"}.get(outcome.status, "")
    said = outcome.why + (" (blocks: the suite requires it)" if blocks else "") or outcome.note
    cell = f'<td class="key {"bad" if blocks else kind}">{word}</td>'
    return f"<tr><td>{_text(outcome.check)}</td>{cell}<td>{_text(said)}</td></tr>"


def _engine(result: SuiteResult) -> str:
    from validators.result import engine

    known = {**engine(), "suite": f"{result.suite.name} {result.suite.digest}"}
    if result.robot:
        known["robot"] = f"{result.robot.name} {result.robot.digest}"
    rows = "".join(f"<tr><th>{_text(k)}</th><td><code>{_text(v)}</code></td></tr>" for k, v in known.items())
    return f"<h2>What judged</h2><table>{rows}</table>"


def _text(text: str) -> str:
    return escape(plain(text))
