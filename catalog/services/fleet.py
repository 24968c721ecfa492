"""Show each device class as it stands: the choice, what devices were last told, and what a rollback would bring now."""

from __future__ import annotations

from catalog.domain.fleet import ClassView
from catalog.domain.release import CurrentRelease
from catalog.services import release_records, rollback
from catalog.services.context import Context
from catalog.services.questioned import question


def classes(context: Context) -> list[ClassView]:
    """Every class that releases can be listed for; the floor is read for what each could go back to."""
    if not context.releases.exists:
        return []
    published, _, _ = context.releases.said()
    return [_view(context, name, published.get(name)) for name in context.releases.device_classes()]


def _view(context: Context, device_class: str, published: CurrentRelease | None) -> ClassView:
    with context.records.read() as c:
        choice = release_records.choice(c, device_class)
    back, why = rollback.best(context, device_class, None, rollback.left(context, device_class))
    return ClassView(
        device_class=device_class,
        choice=choice,
        published=published,
        back=back,
        passed_over=tuple(why),
        question=question(context, device_class),
    )
