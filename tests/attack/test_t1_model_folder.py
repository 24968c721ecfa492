"""T1, the folder of a model: a training job that has the service read for it what it may not read itself."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from catalog.domain.base import sha256
from catalog.services.model_files import model_files
from tests.attack.attacker import Attack
from tests.support.house import model_folder

SECRET = b"what only the service may read"
FILES, SIZE = 16, 2**25  # sparse, and slow to digest


@pytest.mark.parametrize("link", ["a file", "a folder", "a pipe", "the contract"])
def test_a_link_in_the_folder_is_registered_by_nobody(attack: Attack, tmp_path: Path, link: str) -> None:
    """What it leads to is not in the answer either."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "weights.npz").write_bytes(SECRET)
    made = model_folder(tmp_path / "model", 5)
    if link == "a pipe":
        os.mkfifo(made / "more.npz")
    elif link == "the contract":
        (made / "contract.json").unlink()
        (made / "contract.json").symlink_to(tmp_path / "private" / "weights.npz")
    else:
        target = tmp_path / "private" / ("weights.npz" if link == "a file" else "")
        (made / "more").symlink_to(target)
    error = attack.refused("model-invalid", lambda: attack.desk.begin_model("linked", made))
    assert SECRET.decode() not in str(error)
    assert "no plain file" in error.what


def test_a_folder_that_is_swapped_for_a_link_while_it_is_read_leads_nowhere_else(tmp_path: Path) -> None:
    """Half of its files are digested when the folder becomes a link to a private one with the same names."""
    private, made = tmp_path / "private", model_folder(tmp_path / "model", 5)
    inner, aside = made / "inner", tmp_path / "aside"
    private.mkdir()
    inner.mkdir()
    for number in range(FILES):
        (private / f"{number}.npz").write_bytes(SECRET)
        with (inner / f"{number}.npz").open("wb") as sparse:
            sparse.truncate(SIZE)

    def swap() -> None:
        inner.rename(aside)
        inner.symlink_to(private, target_is_directory=True)

    swapping = threading.Timer(0.05, swap)
    swapping.start()
    files, _ = model_files(made)
    assert inner.is_symlink(), "the files were digested before the folder was swapped"
    swapping.join()
    assert [file.size for file in files if file.path.startswith("inner/")] == [SIZE] * FILES
    assert sha256(SECRET) not in {file.sha256 for file in files}


def test_the_contract_that_counts_is_the_one_that_was_digested(tmp_path: Path) -> None:
    made = model_folder(tmp_path / "model", 5)
    files, contract = model_files(made)
    assert json.loads(contract)["action_type"] == "joint position"
    assert sha256(contract) in {file.sha256 for file in files if file.path == "contract.json"}
