"""The store is the truth: SQLite in one folder, or PostgreSQL by URL, behind SQLAlchemy Core.

One module a subject; each function takes an open transaction and speaks in the model's values.
"""

from appliance.store.database import Store

__all__ = ["Store"]
