"""The front door: one public UDP port for all organizations (docs/decisions/0010)."""

from appliance.hub.front_door.errors import DoorError, PortTaken
from appliance.hub.front_door.front import DoorCounters, FrontDoor, Level
from appliance.hub.front_door.last_endpoints import LastEndpoint
from appliance.hub.front_door.sockets import DoorSockets, is_free
from appliance.hub.front_door.table import DoorRepair, known_port

__all__ = [
    "DoorCounters",
    "DoorError",
    "DoorRepair",
    "DoorSockets",
    "FrontDoor",
    "LastEndpoint",
    "Level",
    "PortTaken",
    "is_free",
    "known_port",
]
