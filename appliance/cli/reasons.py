"""Reasons of databases' errors, in plain words."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from appliance.model.errors import Unavailable

# Patterns of drivers' messages in lower case, with the meaning for an operator; the first match counts.
_DATABASE = (
    (r"unable to open", "its file can't be opened"),
    (r"readonly|read-only", "it is read-only"),
    (r"is full|no space left", "its disk is full"),
    (r"is locked|lock timeout|canceling statement due to lock", "another program holds it"),
    (r"not a database|malformed", "its file is damaged, or no SQLite database"),
    (r"disk i/o", "its disk can't be read or written"),
    (r"password authentication failed|no password supplied", "the server does not take this user's password"),
    (r"authentication failed|no pg_hba", "the server does not let this user in"),
    (r"role .* does not exist", "the server has no such user"),
    (r"database .* does not exist", "the server has no such database"),
    (r"could not translate host|failed to resolve|name or service", "its server's name can't be resolved"),
    (r"permission denied", "this user may not do that there"),
    (r"refused|timeout|timed out|no such file|connection failed|closed|terminating|starting up", "no server answers"),
)


def of_database(error: Exception) -> str:
    """Describe why a database can't be used, as a clause.

    Args:
        error: SQLAlchemy's, a driver's, or the store's own with one of these as its cause.
    """
    if isinstance(error, Unavailable):
        return of_database(error.__cause__) if isinstance(error.__cause__, Exception) else "it does not answer"
    if isinstance(error, ModuleNotFoundError):
        return f"its driver {error.name} is not installed"
    if isinstance(error, NoConnection):
        return "it does not answer"
    if isinstance(error, ArgumentError):
        return "--database-url takes a URL such as postgresql+psycopg://USER@HOST/NAME"
    said = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0].strip()
    for pattern, meaning in _DATABASE:
        if re.search(pattern, said.lower()):
            return meaning
    return f"it says “{said.rstrip('.')}”" if isinstance(error, SQLAlchemyError | sqlite3.Error) else said
