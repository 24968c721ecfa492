"""The audit chain: each entry holds the hash of the one before, and the head is an RFC 6962 root over all.

`Frontier` is the compact range of RFC 6962: the roots of the perfect subtrees of n leaves, largest first,
so that appending costs O(log n) and the root needs no entries.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from catalog.domain.base import Count, Digest, Entity, Name, Text, Utc, sha256, utc_text

_text = json.encoder.encode_basestring
_plain = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
GENESIS = "sha256:" + "0" * 64


class AuditEntry(Entity):
    """One act: who did what to what, when, chained to the act before."""

    schema_: Literal["audit@1"] = Field("audit@1", alias="schema")
    seq: Count
    at: Utc
    actor: Name
    action: Name
    subject: Text
    details: dict[str, Any] = Field(default_factory=dict)
    prev: Digest

    def canonical(self) -> bytes:
        """As every document's canonical form, written field by field because a log has millions of entries."""
        return (
            f'{{"action":{_text(self.action)},"actor":{_text(self.actor)},"at":"{utc_text(self.at)}",'
            f'"details":{_plain(self.details)},"prev":"{self.prev}","schema":"{self.schema_}","seq":{self.seq},'
            f'"subject":{_text(self.subject)}}}'
        ).encode()

    def hash(self) -> str:
        """`sha256:…` of the canonical entry; the next entry's `prev`."""
        return sha256(self.canonical())


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 leaf hash."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 interior node hash."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class AuditHead(Entity):
    """Size and RFC 6962 root of the audit log at some moment."""

    size: Count
    root: Digest


class Frontier(Entity):
    """The perfect-subtree roots of the log, largest first, as hex."""

    size: Count = 0
    nodes: tuple[str, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """The frontier with one more entry."""
        nodes = [bytes.fromhex(n) for n in self.nodes]
        carry, size = leaf_hash(leaf), self.size
        while size & 1:
            carry, size = node_hash(nodes.pop(), carry), size >> 1
        return Frontier(size=self.size + 1, nodes=tuple(n.hex() for n in [*nodes, carry]))

    def root(self) -> str:
        """The RFC 6962 root as `sha256:…`; of an empty log, the hash of nothing."""
        if not self.nodes:
            return sha256(b"")
        nodes = [bytes.fromhex(n) for n in self.nodes]
        right = nodes.pop()
        while nodes:
            right = node_hash(nodes.pop(), right)
        return "sha256:" + right.hex()
