"""Errors of the cluster."""

from __future__ import annotations


class ClusterError(Exception):
    """An operation on the cluster failed."""


class EtcdUnreachable(ClusterError):
    """No etcd member answered in time, or none of those that did has a quorum. The outcome of a change is unknown."""


class Lost(ClusterError):
    """The shard is not, or no longer, this hub's."""
