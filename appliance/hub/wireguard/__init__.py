"""WireGuard implementations behind one small protocol; the host decides which of them there is."""

from appliance.hub.wireguard.choose import choose
from appliance.hub.wireguard.protocol import Backend

__all__ = ["Backend", "choose"]
