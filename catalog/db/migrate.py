"""Bring the records of a home to this version's tables; a home from a newer version is refused untouched."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, insert

from catalog.db import tables
from catalog.db.engine import translated
from catalog.domain.audit import GENESIS, Frontier
from catalog.domain.base import utc_text
from catalog.domain.clock import Clock, Ids
from catalog.errors import Damaged


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrate(engine: Engine) -> None:
    """Upgrade to the newest revision this program knows."""
    config = _config()
    script = ScriptDirectory.from_config(config)
    with translated(), engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None:
            try:
                script.get_revision(current)
            except CommandError as error:
                raise Damaged(
                    "home-newer",
                    f"the records are of revision {current}, newer than this Assay knows",
                    do="use the newer Assay, or another home",
                ) from error
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def begin(engine: Engine, clock: Clock, ids: Ids) -> None:
    """Write the head of an empty log; the first audit entry follows in the caller's transaction."""
    with engine.connect() as connection, connection.begin():
        connection.execute(
            insert(tables.head).values(
                id=1,
                home=ids(),
                epoch=0,
                last_at=utc_text(clock()),
                last_hash=GENESIS,
                frontier=Frontier().canonical().decode(),
            )
        )
