"""Labels of a recording: what was marked in which picture or scan, by whom, in tables of one shape for all formats."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Labels:
    """`annotations` and `images` as tables; `categories` as declared; `annotators` that the metadata names."""

    annotations: pl.LazyFrame = field(repr=False)
    images: pl.LazyFrame = field(repr=False)
    categories: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
