"""Optional libraries: loaded when first needed; one that is missing is named with the extra that brings it."""

from __future__ import annotations

import importlib
from types import ModuleType

from validators.errors import MissingExtra


def need(module: str, extra: str) -> ModuleType:
    """The module, or `MissingExtra` that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise
        raise MissingExtra(
            "extra-missing", f"{module} is not installed: pip install 'assay-catalog[{extra}]'"
        ) from error
