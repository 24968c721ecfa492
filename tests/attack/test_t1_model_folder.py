"""T1, the folder of a model: a training job that has the service read for it what it may not read itself."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from catalog.domain.base import sha256
from catalog.errors import AssayError
from catalog.services.model_files import model_files
from tests.attack.attacker import Attack
from tests.support.house import model_folder

SECRET = b"what only the service may read"


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
    """The race is run as fast as it goes: what is digested is a file of the model, or the folder is refused."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "weights.npz").write_bytes(SECRET)
    made = tmp_path / "model"
    shutil.copytree(model_folder(tmp_path / "from", 5), made)
    inner, aside = made / "inner", tmp_path / "aside"
    inner.mkdir()
    (inner / "weights.npz").write_bytes(b"of the model")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            inner.rename(aside)
            inner.symlink_to(private, target_is_directory=True)
            inner.unlink()
            aside.rename(inner)

    racing = threading.Thread(target=swap)
    racing.start()
    outcomes = set()
    try:
        for _ in range(3000):
            try:
                outcomes |= {file.sha256 for file in model_files(made)[0]}
            except AssayError as error:
                outcomes.add(error.kind)
    finally:
        ended.set()
        racing.join()
    assert sha256(SECRET) not in outcomes
    assert sha256(b"of the model") in {file.sha256 for file in model_files(made)[0]}


def test_the_contract_that_counts_is_the_one_that_was_digested(tmp_path: Path) -> None:
    made = model_folder(tmp_path / "model", 5)
    files, contract = model_files(made)
    assert json.loads(contract)["action_type"] == "joint position"
    assert sha256(contract) in {file.sha256 for file in files if file.path == "contract.json"}
