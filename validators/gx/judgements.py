"""Our own expectations inside Great Expectations: all of a suite are judged in one run of our engine."""

from __future__ import annotations

METRIC = "assay.judgement"


def judged(batch, asked):
    return {}, {}
