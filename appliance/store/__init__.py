"""Persistent storage in SQLite or PostgreSQL, through SQLAlchemy Core.

Each module has one subject. Its functions take an open transaction, and take and return values of the model. Statements
that run often are built once, as constants of their modules, because building one costs as much as executing it.
"""

from appliance.store.database import Store

__all__ = ["Store"]
