"""An edge exists only between nodes that its kind joins; everything written to the graph passes here."""

from __future__ import annotations

from dataclasses import dataclass

from lineage.errors import EdgeError
from lineage.kinds import RULES, EdgeKind, NodeKind
from lineage.urn import Urn

_WITHIN = {(NodeKind.EPISODE, NodeKind.VERSION), (NodeKind.VERSION, NodeKind.DATASET)}


@dataclass(frozen=True, slots=True)
class Edge:
    """`dst` came from `src`, as `kind` says. Raises EdgeError when the kind does not join these nodes."""

    src: Urn
    dst: Urn
    kind: EdgeKind

    def __post_init__(self) -> None:
        pair = (self.src.kind, self.dst.kind)
        joins = RULES[self.kind].joins
        if pair not in joins:
            known = ", ".join(sorted(f"{src} -> {dst}" for src, dst in joins))
            raise EdgeError(
                f"{self.kind} does not join {pair[0]} -> {pair[1]} ({self.src} -> {self.dst}); joins {known}"
            )
        if self.src == self.dst:
            raise EdgeError(f"{self.kind} joins {self.src} to itself")
        if (
            pair in _WITHIN
            and self.kind is EdgeKind.CONTAINS
            and self.src.parts[: len(self.dst.parts)] != self.dst.parts
        ):
            raise EdgeError(f"{self.dst} cannot contain {self.src}, whose name places it elsewhere")
        if self.kind is EdgeKind.REBASED_FROM and self.src.parts[0] != self.dst.parts[0]:
            raise EdgeError(f"{self.dst} cannot be rebased from {self.src}: another dataset")

    def __str__(self) -> str:
        return RULES[self.kind].sentence.format(src=self.src, dst=self.dst)
