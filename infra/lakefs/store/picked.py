"""What the recorded lakeFS does to a commit that was cherry-picked: kept for compatibility, off with `--exact-history`.

There the copy's metadata was written over the original's in the server's memory: the log then shows the original with
it, and revert and cherry-pick no longer find it by its id. Here, too, it is in memory only, for ten minutes, and only
for a commit that has metadata; what is stored never changes. Other requests find the commit as it is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from infra.lakefs.errors import NotFoundError
from infra.lakefs.store.commits import Commit

SECONDS = 600
ID = re.compile(r"[0-9a-f]{7,64}")


class Picked:
    def __init__(self, clock: Callable[[], int], *, exact: bool) -> None:
        self._clock, self._exact = clock, exact
        self._guard = threading.Lock()
        self._noted: dict[tuple[str, str], tuple[int, Mapping[str, str]]] = {}

    def note(self, repository: str, original: str, copy: Commit) -> None:
        """A commit was picked; `copy` is what came of it."""
        if self._exact or copy.metadata.keys() <= {"cherry-pick-origin", "cherry-pick-committer"}:
            return
        now = self._clock()
        with self._guard:
            self._noted = {key: value for key, value in self._noted.items() if value[0] > now}
            self._noted[repository, original] = (now + SECONDS * 1_000_000, copy.metadata)

    def refuse(self, repository: str, ref: str) -> None:
        """NotFoundError where `ref` is the id of a commit that was picked."""
        if ID.fullmatch(ref) and any(r == repository and i.startswith(ref) for r, i in self._present()):
            raise NotFoundError(
                f"commit '{ref}' was cherry-picked and is not found by its id for ten minutes, as the recorded lakeFS "
                "does; name it by its branch, or start the server with --exact-history"
            )

    def shown(self, repository: str, commit: Commit) -> Commit:
        """The commit as a log shows it."""
        metadata = self._present().get((repository, commit.id))
        return commit if metadata is None else replace(commit, metadata=metadata)

    def _present(self) -> dict[tuple[str, str], Mapping[str, str]]:
        now = self._clock()
        with self._guard:
            return {key: metadata for key, (until, metadata) in self._noted.items() if until > now}
