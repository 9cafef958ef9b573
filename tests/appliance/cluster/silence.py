"""Silence of a stream of packets."""

from __future__ import annotations

from itertools import pairwise

from netlab import UdpStream


def silence_s(stream: UdpStream) -> float:
    """Returns the longest time between two arrivals, in seconds."""
    return max(later.received_ns - earlier.received_ns for earlier, later in pairwise(stream.received())) / 1e9
