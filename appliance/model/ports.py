"""UDP ports of organizations' links, on the hub's host."""

# Below what Linux hands out to outgoing connections (32768 up, ip(7)), above what servers are usually given.
FIRST_PORT = 20_000
LAST_PORT = 32_767
