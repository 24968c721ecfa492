"""The store behind the API: blobs, ranges and trees as files, refs and staging in SQLite.

`Store` holds the parts; what can be done with them is one module a verb, taking the store first.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra.lakefs.store.blobs import Blobs
from infra.lakefs.store.collection import Collection
from infra.lakefs.store.database import Database
from infra.lakefs.store.folders import Folders
from infra.lakefs.store.follow import Followers
from infra.lakefs.store.picked import Picked
from infra.lakefs.store.ranges import Ranges
from infra.lakefs.store.send import Sender
from infra.lakefs.store.signing import Signer
from infra.lakefs.store.sweep import Sweeper
from infra.lakefs.store.trees import Trees

Clock = Callable[[], int]  # microseconds since 1970


class Store:
    """`user` is who commits; `clock` is the only source of time; `allowed` are folders that may be imported from;
    `secret` signs addresses, and URLs where `presign` offers them; `environment` is what action files may use of it.

    `resets` counts, by repository and branch, how often staged changes were forgotten since the start.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        user: str,
        *,
        allowed: Sequence[Path] = (),
        secret: bytes | None = None,
        presign: bool = False,
        environment: Mapping[str, str] | None = None,
        exact_history: bool = False,
    ) -> None:
        temp = folder / "temp"
        self.clock = clock
        self.user = user
        self.created = int((folder / "lakefs.json").stat().st_mtime)  # seconds since 1970
        self.blobs = Blobs(folder / "blobs", temp)
        self.ranges = Ranges(folder / "ranges", temp)
        self.trees = Trees(folder / "trees", temp, self.ranges)
        self.folders = Folders(folder, allowed)
        self.signer = Signer(secret or secrets.token_bytes(32))
        self.presign = presign
        self.database = Database(folder / "refs.sqlite")
        self.sweeper = Sweeper(self.database)
        self.webhooks = Sender(environment or {})
        self.followers = Followers(self)
        self.picked = Picked(clock, exact=exact_history)
        self.resets: Counter[tuple[str, str]] = Counter()
        self.collection = Collection(folder)
        self._branch_locks: dict[tuple[str, str], threading.Lock] = {}

    def branch_lock(self, repository: str, branch: str) -> threading.Lock:
        """Held while a new head is worked out, so that commits and merges of one branch queue instead of racing."""
        return self._branch_locks.setdefault((repository, branch), threading.Lock())

    def close(self) -> None:
        self.webhooks.close()
        self.followers.close()
        self.sweeper.close()
        self.database.close()
