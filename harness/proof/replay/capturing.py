"""Captures of real packets in the format pcapng, with a comment on each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.utils import PcapNgWriter

from harness.proof.replay.wire import Captured

# draft-ietf-opsawg-pcapng, "Enhanced Packet Block Flags Word".
_INBOUND, _OUTBOUND = 1, 2


class Sight(Enum):
    """Result of a real packet beside a counterexample."""

    AS_COMPUTED = "as computed"
    """It had the computed fate in the computed state."""
    NOTHING = "nothing"
    """It could not be sent, or not in the state that was wanted."""
    CONTRADICTION = "contradiction"


@dataclass(frozen=True)
class Shown:
    """A counterexample as a real packet.

    Attributes:
        says: what became of the real packet, in words.
        file: capture in the format pcapng; None if there is none, for a reason that `says` has.
    """

    sight: Sight
    says: str
    file: Path | None = None

    @property
    def is_contradiction(self) -> bool:
        """True if the real packet had another fate than was computed."""
        return self.sight is Sight.CONTRADICTION


def kept(shown: Shown, file: Path, commented: Iterable[tuple[Captured, str]]) -> Shown:
    """Writes a capture and says where it is.

    Args:
        commented: packets in their order, each with its comment.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with PcapNgWriter(str(file)) as writer:
            for captured, comment in commented:
                packet = (IPv6 if captured.packet[0] >> 4 == 6 else IP)(captured.packet)
                packet.time = captured.at
                packet.sniffed_on = captured.link
                packet.direction = _OUTBOUND if captured.is_out else _INBOUND
                packet.comment = comment.encode()
                writer.write(packet)
    except OSError as error:
        return Shown(shown.sight, f"{shown.says}; its capture can't be written: {error}")
    return Shown(shown.sight, shown.says, file)
