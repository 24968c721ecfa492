"""What a hook is told: something is about to happen to a branch or a tag, or has happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.lakefs.store.entries import canonical

BRANCH_ACTS = ("commit", "merge", "create-branch", "delete-branch", "revert", "cherry-pick")
TAG_ACTS = ("create-tag", "delete-tag")
PREPARE = "prepare-commit"
KINDS = frozenset(
    (PREPARE, *(f"{when}-{act}" for when in ("pre", "post") for act in (*BRANCH_ACTS, *TAG_ACTS))),
)


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is one of KINDS, `time` microseconds since 1970, `tree` the metarange whose action files count.

    Empty fields are not told.
    """

    kind: str
    time: int
    repository: str
    tree: str
    source_ref: str
    branch: str = ""
    tag: str = ""
    commit_id: str = ""
    merge_source: str = ""
    message: str = ""
    committer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def payload(self, action: str, hook: str) -> dict[str, Any]:
        """The JSON that a webhook is sent. Before a commit it does not name one, as recorded of a lakeFS."""
        told = {
            "event_type": self.kind,
            "event_time": seconds(self.time),
            "action_name": action,
            "hook_id": hook,
            "repository_id": self.repository,
            "branch_id": self.branch,
            "source_ref": self.source_ref,
            "tag_id": self.tag,
            "commit_id": "" if self.kind == "pre-commit" else self.commit_id,
            "commit_message": self.message,
            "committer": self.committer,
            "commit_metadata": dict(self.metadata),
            "merge_source": self.merge_source,
        }
        return {name: value for name, value in told.items() if value}

    def encoded(self) -> str:
        return canonical(asdict(self))


def decode(text: str) -> Event:
    """An event as `encoded` wrote it."""
    return Event(**json.loads(text))


def seconds(microseconds: int) -> str:
    """RFC 3339, to the second."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
