"""The terms of every source of a recording, as declared: licence, consent, retention, faces and plates.

They come from `assay.yaml`, from the provenance document (`meta/provenance.json`) and from episodes that carry terms of
their own. Nothing is guessed; in the gate the catalog's own terms decide.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from validators.documents import DocumentError, parse_json
from validators.errors import UnreadableDataset
from validators.findings import NotEvaluable
from validators.recording import Recording

PROVENANCE = "meta/provenance.json"
MAX_BYTES = 1 << 20
UNSAID = ("", "unknown", "none", "n/a", "na", "tbd", "todo", "?", "unclear")
_KEYS = ("licence", "license", "consent", "retention_until", "faces", "plates")


@dataclass(frozen=True)
class Terms:
    """Of one source; None is not declared. `episodes`: indices it is said of, empty for all; `retention` as a day.

    `retention_text` is what was written where it is no date.
    """

    source: str
    licence: str | None = None
    consent: str | None = None
    retention: datetime.date | None = None
    retention_text: str | None = None
    faces: str | None = None
    plates: str | None = None
    episodes: tuple[int, ...] = ()


def found(recording: Recording) -> tuple[Terms, ...]:
    """The terms of all sources. Raises `NotEvaluable` where the provenance document cannot be read."""
    return (*_declared(recording), *_document(recording), *_episodes(recording))


def said(value: str | None) -> bool:
    """Whether a declared text says anything."""
    return value is not None and value.strip().lower() not in UNSAID


def _declared(recording: Recording) -> list[Terms]:
    sources = recording.declaration.sources if recording.declaration else ()
    return [Terms(s.name, s.licence, s.consent, s.retention_until, None, s.faces, s.plates) for s in sources]


def _document(recording: Recording) -> list[Terms]:
    files = recording.files
    if not files.is_file(PROVENANCE):
        return []
    try:
        document = parse_json(files.text(PROVENANCE, MAX_BYTES))
    except (DocumentError, UnreadableDataset) as error:
        raise NotEvaluable(f"{PROVENANCE} cannot be read: {error}") from error
    terms, source = (document.get(k) if isinstance(document, dict) else None for k in ("terms", "source"))
    if not isinstance(terms, dict):
        raise NotEvaluable(f"{PROVENANCE} has no terms")
    robot = source.get("robot") if isinstance(source, dict) else None
    return [_terms(robot if isinstance(robot, str) else PROVENANCE, terms)]


def _episodes(recording: Recording) -> list[Terms]:
    groups: dict[Terms, list[int]] = {}
    for episode in recording.episodes:
        own = episode.provenance
        if any(key in own for key in _KEYS):
            source = own.get("source")
            terms = _terms(source if isinstance(source, str) else "episodes with terms of their own", own)
            groups.setdefault(terms, []).append(episode.index)
    return [
        Terms(t.source, t.licence, t.consent, t.retention, t.retention_text, t.faces, t.plates, tuple(indices))
        for t, indices in groups.items()
    ]


def _terms(source: str, given: Mapping[str, object]) -> Terms:
    texts = {key: str(given[key]) for key in _KEYS if given.get(key) is not None}
    text = texts.get("retention_until")
    return Terms(
        source,
        texts.get("licence", texts.get("license")),
        texts.get("consent"),
        _day(text),
        text if text is not None and _day(text) is None else None,
        texts.get("faces"),
        texts.get("plates"),
    )


def _day(text: str | None) -> datetime.date | None:
    try:
        return None if text is None else datetime.datetime.fromisoformat(text).date()
    except ValueError:
        return None
