"""The policies that come with Assay, as text; `assay init` activates them once the suites' digests are filled in."""

from __future__ import annotations

from importlib.resources import files

NAMES = ("dataset-approval", "demo-arm", "collaborative-arm")


def shipped_policies() -> list[tuple[str, str]]:
    """(name, YAML text) of each shipped policy, in a fixed order."""
    folder = files(__name__)
    return [(name, (folder / f"{name}.yaml").read_text(encoding="utf-8")) for name in NAMES]
