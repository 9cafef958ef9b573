"""Errors of the front door."""

from __future__ import annotations

from appliance.hub.errors import HubError


class DoorError(HubError):
    """The front door could not be opened, or its table could not be read."""


class PortTaken(DoorError):
    """Another program on this host has the UDP port.

    Attributes:
        port: its number.
    """

    def __init__(self, port: int) -> None:
        super().__init__(f"UDP port {port} is taken")
        self.port = port
