"""Persistent storage in SQLite or PostgreSQL, through SQLAlchemy Core.

Each module has one subject. Its functions take an open transaction, and take and return values of the model.
"""

from appliance.store.database import Store

__all__ = ["Store"]
