"""The data plane of all organizations: shared fairly among them, compared with the store, and repaired."""
