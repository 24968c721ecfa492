"""An approved version as a job reads it: a folder whose files are verified against the manifest when first opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalog.client.observe import Observer
from catalog.domain.approved import Approved
from catalog.domain.base import file_sha256
from catalog.errors import Damaged

if TYPE_CHECKING:
    import polars as pl


class ApprovedData:
    """An approved version as a job reads it. `answer` has tag, manifest digest, commit and terms."""

    def __init__(self, answer: Approved, observer: Observer) -> None:
        self.answer, self._observer = answer, observer
        self._objects = {o.path: o for o in answer.objects}
        self._verified: set[str] = set()

    @property
    def folder(self) -> Path:
        """The read-only folder of the version's roots; prefer `scan` and `open`, which verify."""
        return Path(self.answer.folder)

    def open(self, path: str) -> Path:
        """The path of one object, its bytes verified against the manifest when it is first asked for."""
        entry = self._objects.get(path)
        if entry is None:
            raise Damaged("listing-mismatch", f"{path} is no object of {self.answer.dataset} {self.answer.tag}")
        file = self.folder / path
        if path not in self._verified:
            try:
                found = file_sha256(file)
            except OSError as error:
                found = error.strerror or "unreadable"
            if found != entry.sha256:
                raise Damaged(
                    "digest-mismatch",
                    f"{path} is {found}, the manifest says {entry.sha256}",
                    where=str(file),
                    do="remove the snapshot; it is made again from the commit",
                )
            self._verified.add(path)
            self._observer.opened(file, entry.size, entry.sha256, self.answer.manifest_digest)
        return file

    def scan(self) -> pl.LazyFrame:
        """All rows of all roots as one LazyFrame, with the recording's name in column `root`."""
        import polars as pl

        frames = []
        for root in self.answer.roots:
            paths = [o.path for o in self.answer.objects if _is_rows(o.path, root)]
            if paths:
                files = [self.open(p) for p in sorted(paths)]
                frames.append(pl.scan_parquet(files, glob=False).with_columns(pl.lit(root).alias("root")))
        if not frames:
            raise Damaged("listing-mismatch", f"{self.answer.dataset} {self.answer.tag} has no Parquet rows")
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def _is_rows(path: str, root: str) -> bool:
    return path.startswith(f"{root}/") and path.endswith(".parquet") and "/meta/" not in path
