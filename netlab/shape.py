"""Loss, delay, reordering and rate of links, by tc-netem(8) and tc-tbf(8), or by nftables for loss."""

from __future__ import annotations

from netlab.errors import CommandFailed, Unsupported
from netlab.plan import LinkShape
from netlab.programs import Programs

_QUEUE = "100000"


def shape_egress(programs: Programs, interface: str, shape: LinkShape) -> None:
    """Shapes the packets that leave by an interface.

    Args:
        programs: starter of this machine's programs in the interface's network namespace.
        interface: name of the interface.
        shape: limits and faults. The MTU is applied where the link is made, the rest here.

    Raises:
        Unsupported: the kernel, or this machine, can't shape links like that.
    """
    parent = "root"
    if shape.delay or shape.loss or shape.reorder:
        try:
            _add(programs, interface, parent, "1:", _netem(shape))
            parent = "1:1"
        except Unsupported:
            # nftables can throw dice too, but nothing else in the kernel makes packets wait.
            if shape.delay or not shape.loss:
                raise
            _lose(programs, interface, shape.loss)
    if shape.rate is not None:
        # A burst of 5 ms keeps the rate with timers of 1 ms; 50 ms of queue is what a good router holds.
        burst = max(shape.rate // 8 // 200, 2 * shape.mtu)
        words = ["tbf", "rate", f"{shape.rate}bit", "burst", str(burst), "latency", "50ms"]
        _add(programs, interface, parent, "2:", words)


def _netem(shape: LinkShape) -> list[str]:
    words = ["netem", "limit", _QUEUE]
    if shape.delay:
        words += ["delay", f"{shape.delay * 1e6:.0f}us"]
    if shape.reorder:
        words += ["reorder", f"{shape.reorder * 100:.6f}%"]
    if shape.loss:
        words += ["loss", f"{shape.loss * 100:.6f}%"]
    return words


def _lose(programs: Programs, interface: str, loss: float) -> None:
    million = 1_000_000
    dice = f"numgen random mod {million} >= {million - max(1, round(loss * million))} drop"
    chain = f'type filter hook egress device "{interface}" priority 0;'
    rules = f"table netdev netlab-{interface} {{ chain loss {{ {chain} {dice}; }}; }}\n"
    done = programs.run(("nft", "-f", "-"), input=rules, check=False)
    if done.returncode != 0:
        raise Unsupported(f"this machine has neither netem nor nftables to lose packets with: {done.stderr.strip()}")


def _add(programs: Programs, interface: str, parent: str, handle: str, words: list[str]) -> None:
    place = ("root",) if parent == "root" else ("parent", parent)
    try:
        programs.run(("tc", "qdisc", "add", "dev", interface, *place, "handle", handle, *words))
    except CommandFailed as error:
        if "kind is unknown" in error.stderr or error.returncode is None:
            raise Unsupported(f"this machine has no {words[0]} to shape links with: {error.stderr.strip()}") from error
        raise
