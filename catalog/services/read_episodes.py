"""Read the episodes of a recording: what they are known by, where their rows lie, what they were recorded on.

Register writes this table and check reads it again from the committed bytes, so a table that somebody else wrote is
found even when it agrees with itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from catalog.domain.base import canonical, sha256
from catalog.domain.dataset import Episode
from validators import fingerprint
from validators.recording import Recording


def read_episodes(recording: Recording, slug: str, digests: Mapping[str, str]) -> list[Episode]:
    """The episodes of the root `slug`; `digests` are those of its files, by path below the root.

    Raises the reader's `UnreadableDataset` where rows cannot be read.
    """
    marks = fingerprint.fingerprints(recording)
    held = Counter(path for e in recording.episodes for path in e.files)
    return [
        Episode(
            root=slug,
            index=e.index,
            fingerprint=marks.get(e.index)
            or _content_mark([digests[p] for p in e.files], e.index if any(held[p] > 1 for p in e.files) else None),
            length=e.length,
            start_s=e.start_s or 0.0,
            end_s=e.end_s or 0.0,
            objects=tuple(f"{slug}/{p}" for p in e.files),
            **{key: _text(e.provenance, key) for key in ("robot", "rig", "site", "operator", "seed")},
        )
        for e in recording.episodes
    ]


def _content_mark(digests: list[str], index: int | None) -> str:
    """What an episode without state and action is known by: the digests of its files, and its index in shared ones."""
    if index is None:
        return sha256(canonical({"schema": "content-mark@1", "files": digests}))
    return sha256(canonical({"schema": "content-mark@2", "files": digests, "episode": index}))


def _text(provenance: Mapping[str, object], key: str) -> str:
    value = provenance.get(key, "")
    return str(value)[:200] if isinstance(value, str | int) else ""
