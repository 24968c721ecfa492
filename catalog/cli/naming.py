"""A name as the catalog takes it, from a name as people and files give it."""

from __future__ import annotations

import re

LONGEST = 56


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens, as in `g1-29dof` for `G1_29dof`; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST].strip("-")
