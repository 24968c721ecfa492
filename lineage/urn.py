"""The only names of nodes: `urn:assay:<kind>:<part>[:<part>...]`.

Each node has exactly one text, so URNs are compared as bytes; a text that is not the one `str()` writes is refused.
Parts are checked by kind; names are free text, percent-encoded (RFC 3986 unreserved characters stay), never normalised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, unquote_to_bytes
from uuid import UUID

from lineage.errors import UrnError
from lineage.kinds import NodeKind

PREFIX = "urn:assay:"
MAX_PART_BYTES = 800  # 200 characters of any script
MAX_URN_CHARS = 2560

_SLUG = "dataset slug"
_DIGEST = "sha256 digest"
_INDEX = "episode index"
_ID = "id"
_WHAT = "kind of source"
_NAME = "name"

_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = MappingProxyType(
    {
        _SLUG: (re.compile(r"[a-z0-9][a-z0-9-]{0,62}"), "lowercase letters, digits and hyphens, at most 63"),
        _DIGEST: (re.compile(r"[0-9a-f]{64}"), "64 lowercase hexadecimal digits"),
        _INDEX: (re.compile(r"0|[1-9][0-9]{0,8}"), "a decimal number below 10^9 without leading zeros"),
        _ID: (re.compile(r"[a-z0-9][a-z0-9-]{0,63}"), "lowercase letters, digits and hyphens, at most 64"),
        _WHAT: (re.compile(r"[a-z][a-z-]{0,31}"), "a word such as rig, calibration, site, engine, scene, job"),
        _NAME: (re.compile(r".+", re.DOTALL), "any text that is not empty"),
    }
)

_PARTS: Mapping[NodeKind, tuple[str, ...]] = MappingProxyType(
    {
        NodeKind.DATASET: (_SLUG,),
        NodeKind.VERSION: (_SLUG, _DIGEST),
        NodeKind.EPISODE: (_SLUG, _DIGEST, _SLUG, _INDEX),
        NodeKind.FINGERPRINT: (_DIGEST,),
        NodeKind.SOURCE: (_WHAT, _NAME),
        NodeKind.ROBOT: (_NAME,),
        NodeKind.RUN: (_ID,),
        NodeKind.MODEL: (_DIGEST,),
        NodeKind.PLAN: (_ID,),
        NodeKind.EVIDENCE: (_DIGEST,),
        NodeKind.POLICY: (_DIGEST,),
        NodeKind.DECISION: (_ID,),
        NodeKind.RELEASE: (_ID,),
        NodeKind.DEVICE: (_NAME,),
        NodeKind.PRINCIPAL: (_NAME,),
        NodeKind.FOLDER: (_DIGEST,),
        NodeKind.EXTERNAL: (_NAME, _NAME),
        NodeKind.ACTIVITY: (_WHAT, _NAME, _NAME),
    }
)


@dataclass(frozen=True, slots=True)
class Urn:
    """One node. `parts` are plain text, not encoded; digests are bare hex. Raises UrnError when a part is wrong."""

    kind: NodeKind
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.kind, NodeKind):
            raise UrnError(f"{self.kind!r} is no kind of node; use lineage.kinds.NodeKind")
        forms = _PARTS[self.kind]
        if len(self.parts) != len(forms):
            raise UrnError(f"a {self.kind} URN has {len(forms)} part(s) ({', '.join(forms)}), not {len(self.parts)}")
        for form, part in zip(forms, self.parts, strict=True):
            _check(self.kind, form, part)

    def __str__(self) -> str:
        return f"{PREFIX}{self.kind}:" + ":".join(quote(part, safe="") for part in self.parts)

    @property
    def digest(self) -> str | None:
        """The digest in this URN as `sha256:<hex>`, None for a kind without one."""
        for form, part in zip(_PARTS[self.kind], self.parts, strict=True):
            if form == _DIGEST:
                return f"sha256:{part}"
        return None


def _check(kind: NodeKind, form: str, part: str) -> None:
    pattern, rule = _FORMS[form]
    if not isinstance(part, str):
        raise UrnError(f"{form} of a {kind} URN is {type(part).__name__}, not text")
    try:
        size = len(part.encode())
    except UnicodeEncodeError:
        raise UrnError(f"{form} of a {kind} URN has a lone surrogate; give valid Unicode") from None
    if size > MAX_PART_BYTES:
        raise UrnError(f"{form} of a {kind} URN has {size} bytes, at most {MAX_PART_BYTES} are allowed; shorten it")
    if not pattern.fullmatch(part):
        raise UrnError(f"{form} {part!r} of a {kind} URN must be {rule}")


def parse(text: str) -> Urn:
    """The node that `text` names. Raises UrnError when it is not exactly the text that `str()` writes for a node."""
    if len(text) > MAX_URN_CHARS:
        raise UrnError(f"a URN has at most {MAX_URN_CHARS} characters, this one has {len(text)}")
    if not text.startswith(PREFIX):
        raise UrnError(f"{text!r} does not start with {PREFIX!r}")
    word, *encoded = text.removeprefix(PREFIX).split(":")
    try:
        kind = NodeKind(word)
    except ValueError:
        raise UrnError(f"{word!r} in {text!r} is no kind of node; known: {', '.join(NodeKind)}") from None
    try:
        parts = tuple(unquote_to_bytes(part).decode() for part in encoded)
    except UnicodeError:
        raise UrnError(f"{text!r} is not UTF-8 when its percent-encoding is undone") from None
    urn = Urn(kind, parts)
    if str(urn) != text:
        raise UrnError(f"{text!r} is not written canonically; write {str(urn)!r}")
    return urn


def _hex(digest: str) -> str:
    algorithm, colon, value = digest.partition(":")
    if algorithm != "sha256" or not colon:
        raise UrnError(f"{digest!r} is no digest; write it sha256:<64 hexadecimal digits>")
    return value


def dataset(slug: str) -> Urn:
    """A dataset, by its slug."""
    return Urn(NodeKind.DATASET, (slug,))


def version(slug: str, manifest: str) -> Urn:
    """A version of a dataset, by the digest of its manifest (`sha256:<hex>`)."""
    return Urn(NodeKind.VERSION, (slug, _hex(manifest)))


def episode(slug: str, manifest: str, root: str, index: int) -> Urn:
    """An episode where it lies: dataset, manifest digest of the version, recording in it, index in the recording."""
    return Urn(NodeKind.EPISODE, (slug, _hex(manifest), root, str(index)))


def fingerprint(digest: str) -> Urn:
    """The content of an episode wherever it lies, by `fingerprint@1`."""
    return Urn(NodeKind.FINGERPRINT, (_hex(digest),))


def source(what: str, name: str) -> Urn:
    """A rig, calibration, site, engine or scene (`what`), by name."""
    return Urn(NodeKind.SOURCE, (what, name))


def robot(name: str) -> Urn:
    """A robot, by name or serial number."""
    return Urn(NodeKind.ROBOT, (name,))


def run(run_id: UUID | str) -> Urn:
    """A training run, by id."""
    return Urn(NodeKind.RUN, (str(run_id),))


def model(manifest: str) -> Urn:
    """A model, by the digest of its manifest."""
    return Urn(NodeKind.MODEL, (_hex(manifest),))


def plan(plan_id: UUID | str) -> Urn:
    """An evaluation plan, by id."""
    return Urn(NodeKind.PLAN, (str(plan_id),))


def evidence(digest: str) -> Urn:
    """Evidence, by the digest of its envelope's payload."""
    return Urn(NodeKind.EVIDENCE, (_hex(digest),))


def policy(digest: str) -> Urn:
    """A policy, by the digest of its canonical form."""
    return Urn(NodeKind.POLICY, (_hex(digest),))


def decision(decision_id: UUID | str) -> Urn:
    """A decision, by id."""
    return Urn(NodeKind.DECISION, (str(decision_id),))


def release(release_id: UUID | str) -> Urn:
    """A release, by id."""
    return Urn(NodeKind.RELEASE, (str(release_id),))


def device(name: str) -> Urn:
    """An edge device, by name or serial number."""
    return Urn(NodeKind.DEVICE, (name,))


def principal(name: str) -> Urn:
    """Who signs or acts."""
    return Urn(NodeKind.PRINCIPAL, (name,))


def folder(digest: str) -> Urn:
    """A local input that no dataset holds, by the digest of its listing."""
    return Urn(NodeKind.FOLDER, (_hex(digest),))


def external(namespace: str, name: str) -> Urn:
    """An asset of another system."""
    return Urn(NodeKind.EXTERNAL, (namespace, name))


def activity(what: str, namespace: str, name: str) -> Urn:
    """A `run` or `job` of another system, in its namespace; a run's name is its id."""
    return Urn(NodeKind.ACTIVITY, (what, namespace, name))
