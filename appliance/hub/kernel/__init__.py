"""The Linux kernel as the hub uses it: namespaces, links, routes, nftables, connection tracking, events."""
