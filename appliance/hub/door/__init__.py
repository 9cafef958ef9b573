"""The front door: one public UDP port for all organizations (docs/decisions/0010)."""

from appliance.hub.door.errors import DoorError, PortTaken
from appliance.hub.door.flows import Flow
from appliance.hub.door.front import DoorCounters, FrontDoor, Level
from appliance.hub.door.sockets import DoorSockets, is_free
from appliance.hub.door.table import Repair, is_present, known_port

__all__ = [
    "DoorCounters",
    "DoorError",
    "DoorSockets",
    "Flow",
    "FrontDoor",
    "Level",
    "PortTaken",
    "Repair",
    "is_free",
    "is_present",
    "known_port",
]
