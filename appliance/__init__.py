"""WireGuard hub for several organizations: accounts, machines, policies, and the data plane that enforces them."""
