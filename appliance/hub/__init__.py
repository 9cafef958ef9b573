"""The data plane: one network namespace and one WireGuard link for each organization, judged by nftables.

`plane.DataPlane` makes an organization's part of the kernel what `model.desired.Desired` says. `process` serves it on
a unix socket as the privileged process; `client` is the other end.
"""
