"""What waits for a signature, and what each device class runs: derived from the records when asked, never stored."""

from __future__ import annotations

from catalog.domain.base import Entity, Slug, Text
from catalog.domain.decision import Decision
from catalog.domain.release import Choice, CurrentRelease, Release


class Waiting(Entity):
    """A model that the gate allows and no device is given yet: what it lacks until it can be promoted.

    `release` is the open proposal, None before there is one. `barred` made the run, the model or its evidence, and
    sign nothing of it; `missing` are the other approvers whose signature would count.
    """

    decision: Decision
    release: Release | None
    signed_by: tuple[Slug, ...]
    missing: tuple[Slug, ...]
    barred: dict[Slug, Text]
    threshold: int


class ClassView(Entity):
    """What a device class should run, what its devices are told, and what going back would bring.

    `back` is the release a rollback would choose now, None when it would choose none; `passed_over` says why not a
    newer one. `question` is what somebody said of the origin of the release that runs, since it was allowed.
    """

    device_class: Slug
    choice: Choice | None
    published: CurrentRelease | None
    back: Release | None
    passed_over: tuple[Text, ...]
    question: Text = ""
