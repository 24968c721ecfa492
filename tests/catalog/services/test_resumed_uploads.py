"""A registration that was killed in its upload sends only what is not staged already."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catalog.domain.dataset import repository_of
from catalog.storage.lakefs import LakeFS
from catalog.storage.port import StoredObject
from tests.support.house import House
from tests.support.recordings import recording

ARM = repository_of("arm")


@pytest.mark.parametrize("lost", [0, 2])
def test_only_what_is_missing_is_sent(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    folder = recording(tmp_path / "one")
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), "register", "_upload, unsaved"]
    command += ["arm", "one", str(folder)]
    assert subprocess.run(command, check=False, timeout=120, env=house.environment).returncode == -9

    sent: list[str] = []
    upload = LakeFS.upload_stream

    def counted(store: LakeFS, repository: str, branch: str, path: str, content: object, size: int) -> StoredObject:
        sent.append(path)
        return upload(store, repository, branch, path, content, size)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(LakeFS, "upload_stream", counted)
    looked = threading.Event()

    def wait(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "_upload"):
            assert looked.wait(60)

    with house.open(wait) as desk:
        staged = list(desk.store.listing(ARM, "ingest-one", "one/")["path"])
        assert len(staged) > 2
        desk.store.delete(ARM, "ingest-one", staged[:lost])
        looked.set()
        desk.settle()
        (version,) = desk.dataset("arm").versions
        assert sorted(p for p in sent if p.startswith("one/")) == staged[:lost]
        assert list(desk.store.listing(ARM, version.commit, "one/")["path"]) == staged
        assert desk.check("arm", "one")["passed"] is True
