"""A cable between a host and a switch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netlab.errors import CommandFailed, Unsupported
from netlab.process import Completed
from netlab.rtnetlink import Netlink
from netlab.switch import Switch

#: Seconds for the kernel to notice that both ends of a cable are up.
CARRIER_TIMEOUT_S = 10.0

#: Runs a program in some network namespace, as `Host.run` does.
Runner = Callable[..., Completed]


@dataclass(frozen=True)
class LinkShape:
    """What a link does to packets, in each direction.

    Attributes:
        mtu: largest packet, bytes of IP.
        rate: bits per second; None: as fast as it goes.
        delay: seconds; needs a kernel with netem.
        loss: share of packets, 0 to 1; needs a kernel with netem.
    """

    mtu: int = 1500
    rate: int | None = None
    delay: float | None = None
    loss: float | None = None


class Link:
    """A cable that is plugged in. Made by `Lab.connect`.

    Attributes:
        owner: name of the host, `here` for the caller's own network namespace.
        switch: the other end.
        interface: the link's name at the owner's end.
        address: with prefix length, at the owner's end.
        shape: as asked for.
    """

    def __init__(
        self,
        owner: str,
        switch: Switch,
        interface: str,
        port: str,
        address: str | None,
        shape: LinkShape,
        fabric: Netlink,
    ) -> None:
        self.owner = owner
        self.switch = switch
        self.interface = interface
        self.port = port
        self.address = address
        self.shape = shape
        self._fabric = fabric

    def __repr__(self) -> str:
        return f"<Link {self.owner} {self.interface} {self.address} to {self.switch.name}>"

    def down(self) -> None:
        """Pulls the cable at the switch: the host keeps its addresses and routes and loses its carrier."""
        self._fabric.set_up(self.port, up=False)

    def up(self) -> None:
        """Plugs it in again; it carries packets when this returns."""
        self._fabric.set_up(self.port)
        self._fabric.wait_until_running(self.port, CARRIER_TIMEOUT_S)


def shape_egress(run: Runner, interface: str, shape: LinkShape) -> None:
    """Shapes what leaves by an interface.

    Args:
        run: runs `tc` in the interface's network namespace.
        interface: its name.
        shape: delay, loss and rate are applied here, the MTU where the link is made.

    Raises:
        Unsupported: the kernel lacks the queueing discipline for it.
    """
    parent = "root"
    if shape.delay is not None or shape.loss is not None:
        words = ["netem", "limit", "100000"]
        if shape.delay is not None:
            words += ["delay", f"{shape.delay * 1e6:.0f}us"]
        if shape.loss is not None:
            words += ["loss", f"{shape.loss * 100:.6f}%"]
        _add(run, interface, parent, "1:", words)
        parent = "1:1"
    if shape.rate is not None:
        # A burst of 5 ms keeps the rate with timers of 1 ms; 50 ms of queue is what a good router holds.
        burst = max(shape.rate // 8 // 200, 2 * shape.mtu)
        words = ["tbf", "rate", f"{shape.rate}bit", "burst", str(burst), "latency", "50ms"]
        _add(run, interface, parent, "2:", words)


def _add(run: Runner, interface: str, parent: str, handle: str, words: list[str]) -> None:
    place = ["root"] if parent == "root" else ["parent", parent]
    try:
        run("tc", "qdisc", "add", "dev", interface, *place, "handle", handle, *words)
    except CommandFailed as error:
        if "kind is unknown" in error.stderr or error.returncode is None:
            raise Unsupported(f"this machine has no {words[0]} to shape links with: {error.stderr.strip()}") from error
        raise
