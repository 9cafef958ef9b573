"""The data plane of all organizations: changed in turn, compared with the store, and repaired."""
