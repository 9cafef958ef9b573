"""Size of the database."""

from __future__ import annotations

from sqlalchemy import Connection, text


def of_database(transaction: Connection, *, is_sqlite: bool) -> int:
    """Bytes of the database on its disk, without the journal of SQLite."""
    # Sources: sqlite.org/pragma.html#pragma_page_count; PostgreSQL, 9.28.7.
    query = (
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if is_sqlite
        else "SELECT pg_database_size(current_database())"
    )
    return int(transaction.execute(text(query)).scalar_one())
