"""Terms and privacy: does every source say under what licence and consent, until when, and what became of faces?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from validators.declarations import terms
from validators.declarations.terms import Terms, said
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.values import Values

HOW = "declare sources in assay.yaml (name, licence, consent, retention_until, faces, plates)"
HANDLED = ("absent", "blurred", "removed", "consented")


class _OfSources(Expectation):
    """An expectation on the declared terms; it reads no rows."""

    check: ClassVar[str]
    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def needs(self, subject: Subject) -> Needs:
        return Needs()

    def sources(self, subject: Subject) -> tuple[Terms, ...]:
        """The terms of all sources, or `NotEvaluable`."""
        found = terms.found(subject.recording)
        if not found:
            raise NotEvaluable(f"no source is declared; {HOW}")
        return found

    def finding(self, source: Terms, message: str, **kwargs: float | str) -> Finding:
        """A finding on one source and its episodes."""
        return Finding(
            self.check,
            source.source,
            message,
            episodes=source.episodes,
            value=float(kwargs["value"]) if "value" in kwargs else None,
            limit=float(kwargs["limit"]) if "limit" in kwargs else None,
            unit=str(kwargs.get("unit", "")),
            resolves="what is declared",
        )


@dataclass(frozen=True)
class ExpectTermsDeclared(_OfSources):
    """Terms: every source has a licence and a consent, and says them; "unknown" and its kind say nothing.

    Sources come from `assay.yaml`, `meta/provenance.json` and episodes with terms of their own; an episode that names a
    source which is not declared is found. Unit: sources. Default: none. Source: data without a licence may not be used,
    people recorded without consent may ask for erasure. Resolves: what is declared; whether it is true is nobody's to
    compute. Without any source it is not evaluable. Known false alarms: none; "not applicable: no people" is a consent.
    """

    type: ClassVar[str] = "expect_terms_declared"
    check: ClassVar[str] = "terms"

    def judge(self, subject: Subject, values: Values) -> Judgement:
        sources = self.sources(subject)
        findings = [f for source in sources for f in self._judged(source)]
        names = {source.source for source in sources}
        strangers: dict[str, list[int]] = {}
        for episode in subject.recording.episodes:
            name = episode.provenance.get("source")
            if isinstance(name, str) and name not in names:
                strangers.setdefault(name, []).append(episode.index)
        findings += [
            self.finding(Terms(name, episodes=tuple(indices)), f"{len(indices)} episodes name it; {HOW}")
            for name, indices in strangers.items()
        ]
        licences = sorted({s.licence for s in sources if s.licence is not None and said(s.licence)})
        return Judgement(tuple(findings), f"{len(sources)} sources; licences: {', '.join(licences[:8]) or 'none'}")

    def _judged(self, source: Terms) -> Iterator[Finding]:
        for name, value in (("licence", source.licence), ("consent", source.consent)):
            if not said(value):
                yield self.finding(source, f"no {name} is declared" + (f" ({value!r})" if value else ""))


@dataclass(frozen=True)
class ExpectRetentionNotOver(_OfSources):
    """Retention: the day until which a source may be kept is not over at the time of the judgement.

    Unit: days. Default: `required` false: a source may be kept without end; true finds those without a day. Source:
    consents and contracts end. Resolves: one day, UTC; what is no date is found. Without a time of judgement, or
    without any day, it is not evaluable. Known false alarms: a consent that was renewed and not declared again.
    """

    type: ClassVar[str] = "expect_retention_not_over"
    check: ClassVar[str] = "retention"
    required: bool = False

    def judge(self, subject: Subject, values: Values) -> Judgement:
        sources = self.sources(subject)
        findings = [
            self.finding(s, f"retention_until {s.retention_text!r} is no date") for s in sources if s.retention_text
        ]
        without = [s for s in sources if s.retention is None and s.retention_text is None]
        if self.required:
            findings += [self.finding(s, "no retention_until is declared") for s in without]
        dated = [(s, s.retention) for s in sources if s.retention is not None]
        if not dated and not findings:
            raise NotEvaluable("no source declares retention_until")
        if dated and subject.now is None:
            raise NotEvaluable("the time of the judgement is not given")
        for source, day in dated:
            assert subject.now is not None
            over = (subject.now.date() - day).days
            if over > 0:
                message = f"may be kept until {day}, {over} days ago"
                findings.append(self.finding(source, message, value=over, limit=0, unit="days"))
        note = f"{len(dated)} of {len(sources)} sources have a last day"
        return Judgement(tuple(findings), note)


@dataclass(frozen=True)
class ExpectPeopleHandled(_OfSources):
    """Faces and plates: where cameras record, every source says what became of faces, and of number plates on roads.

    Handled are `absent`, `blurred`, `removed`, and `consented` beside a consent that says something; `present` and
    silence are found. Unit: sources. Default: faces; `plates` true for machines on roads. Source: pictures of people
    and plates are personal data. Resolves: what is declared; no picture is searched. Without cameras or any source it
    is not evaluable. Known false alarms: cameras that can see nobody, until `absent` is declared.
    """

    type: ClassVar[str] = "expect_people_handled"
    check: ClassVar[str] = "faces_and_plates"
    plates: bool = False

    def judge(self, subject: Subject, values: Values) -> Judgement:
        kinds = (sensor.kind for sensor in subject.recording.facts.sensors.values())
        if not subject.recording.cameras and not any("camera" in kind.lower() for kind in kinds):
            raise NotEvaluable("the recording has no camera")
        sources = self.sources(subject)
        findings = [f for source in sources for f in self._judged(source)]
        return Judgement(tuple(findings), f"{len(sources)} sources, {'faces and plates' if self.plates else 'faces'}")

    def _judged(self, source: Terms) -> Iterator[Finding]:
        for name, value in (("faces", source.faces), ("plates", source.plates)):
            if name == "plates" and not self.plates:
                continue
            if value is None or not said(value):
                yield self.finding(source, f"does not say what became of {name}: {', '.join(HANDLED)}")
            elif value not in HANDLED:
                yield self.finding(source, f"{name} are {value}")
            elif value == "consented" and not said(source.consent):
                yield self.finding(source, f"{name} are said to be consented, and no consent is declared")


EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectTermsDeclared,
    ExpectRetentionNotOver,
    ExpectPeopleHandled,
)
