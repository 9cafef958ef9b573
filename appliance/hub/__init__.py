"""The privileged process: one network namespace and one WireGuard link for each organization, judged by nftables.

Its rooms, from the top:

- `service`: the process as a whole, which answers calls.
- `plane`: makes an organization's part of the kernel what `model.desired.Desired` says, and repairs it.
- `front_door`: the public UDP port that all organizations share.
- `wireguard`: the WireGuard implementations, and how they are told.
- `kernel`: namespaces, links, routes, nftables and connection tracking.
- `ruleset`: a policy as nftables text, without a kernel.
- `rpc`: the unix socket that the web process calls, and the messages on it.
"""
