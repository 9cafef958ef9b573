"""UDP ports of the organizations' WireGuard links on the hub's host."""

# Above the usual ports of servers, below Linux's ephemeral ports (32768 up, ip(7)).
FIRST_PORT = 20_000
LAST_PORT = 32_767
COUNT = LAST_PORT - FIRST_PORT + 1
"""Most organizations of a store: each takes one of these ports, with many hubs too."""
