"""WireGuard implementations behind one small protocol."""

from appliance.hub.wireguard.choose import choose
from appliance.hub.wireguard.protocol import Allowed, Backend

__all__ = ["Allowed", "Backend", "choose"]
