"""What every table is made of: text that sorts by bytes, whole numbers of 64 bits, and the body of a document."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Text

NAME = String().with_variant(String(collation="C"), "postgresql")  # sorts by bytes, as SQLite does
NUMBER = Integer().with_variant(BigInteger(), "postgresql")  # 64 bits, as SQLite has

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


def body() -> Column[str]:
    """The canonical document of the row's entity."""
    return Column("body", Text, nullable=False)
