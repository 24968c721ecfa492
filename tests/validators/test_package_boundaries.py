import subprocess
import sys

import pytest

from validators import errors


def imported(statement: str) -> set[str]:
    command = [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["catalog.cli.check", "catalog.cli.clean", "validators"])
def test_nothing_heavy_is_imported_for_help(module):
    assert not imported(f"import {module}") & {
        "polars",
        "numpy",
        "pyarrow",
        "av",
        "great_expectations",
        "rich.progress",
    }


def test_the_engine_imports_no_great_expectations_and_nothing_of_the_house():
    loaded = imported("import validators.run, validators.clean, validators.fingerprint")
    assert not {m.split(".")[0] for m in loaded} & {
        "great_expectations",
        "catalog",
        "lineage",
        "infra",
        "av",
        "scipy",
        "pandas",
    }


def test_this_is_our_package_and_not_pypis():
    import validators

    assert "Frames in, findings out" in (validators.__doc__ or "")


def test_kinds_are_known_and_append_only():
    """A kind is a promise; adding is free, taking away breaks whoever handles it."""
    assert {
        "path-missing", "path-outside", "format-unknown", "metadata-missing", "metadata-empty", "metadata-invalid",
        "file-damaged", "file-missing", "column-missing", "column-type", "path-unexpected", "too-large",
    } <= errors.UnreadableDataset.KINDS  # fmt: skip
    with pytest.raises(ValueError, match="no kind"):
        errors.UnreadableDataset("surprise", "x")
    error = errors.UnreadableDataset("path-missing", "no such folder", path="/x")
    assert (str(error), error.path, error.detail) == ("/x: no such folder", "/x", "no such folder")
