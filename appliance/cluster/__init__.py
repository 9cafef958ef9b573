"""Ownership among several hubs, by leases of etcd; nothing of it is imported where one hub is all there is."""
