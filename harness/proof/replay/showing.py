"""Counterexamples as real packets: each is sent through a copy of the namespace, and captured there in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scapy.layers.inet import IP
from scapy.utils import PcapNgWriter

from harness.proof.choice import Unreachable
from harness.proof.errors import Unmodelled
from harness.proof.readback import Reading
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.replaying import Replay, Seen, replay
from harness.proof.words import Counterexample

# draft-ietf-opsawg-pcapng, "Enhanced Packet Block Flags Word".
_INBOUND, _OUTBOUND = 1, 2


@dataclass(frozen=True)
class Shown:
    """A counterexample in a copy of the namespace.

    Attributes:
        is_as_computed: True if the real packet had the computed fate in the computed state.
        says: what became of the real packet, in words.
        file: capture in the format pcapng; None if there is none, for a reason that `says` has.
    """

    is_as_computed: bool
    says: str
    file: Path | None = None


def show(reading: Reading, examples: Sequence[Counterexample], folder: Path, name: str) -> list[Shown]:
    """Replays counterexamples, and writes a capture of each.

    Args:
        folder: folder of the captures, made if it is missing.
        name: beginning of the names of the files, which end with a number and ``.pcapng``.
    """
    try:
        outcomes = replay(reading, [each.values for each in examples])
    except (Unreplayable, Unmodelled) as error:
        return [Shown(False, f"not replayed: {error}") for _ in examples]
    return [
        _shown(example, outcome, folder / f"{name}-{number}.pcapng")
        for number, (example, outcome) in enumerate(zip(examples, outcomes, strict=True), 1)
    ]


def _shown(example: Counterexample, outcome: Replay | Unreachable, file: Path) -> Shown:
    if isinstance(outcome, Unreachable):
        return Shown(False, f"not replayed: {outcome}")
    real = outcome.fate.value + (f" by {outcome.link}" if outcome.link else "")
    if not outcome.is_in_state:
        says = f"not shown by a real packet: connection tracking has it as {outcome.state}; it is {real}"
    elif outcome.fate.value != example.fate:
        says = f"a real packet contradicts this, so the proof or the copy is wrong; please report it: it is {real}"
    else:
        says = f"a real packet in a copy of the namespace is {real}"
    is_as_computed = outcome.is_in_state and outcome.fate.value == example.fate
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, _commented(example, outcome.seen, says))
    except OSError as error:
        return Shown(is_as_computed, f"{says}; its capture can't be written: {error}")
    return Shown(is_as_computed, says, file)


def _commented(example: Counterexample, seen: Sequence[Seen], says: str) -> Iterator[tuple[Seen, str]]:
    for each in seen:
        if each.is_history:
            yield each, f"{each.says} {'leaves' if each.captured.is_out else 'arrives'}, while everything is allowed"
        elif each.captured.is_out:
            yield each, f"The packet leaves; it should be {example.wanted}"
        else:
            yield each, f"{example}\n{says}"


def _write(file: Path, commented: Iterator[tuple[Seen, str]]) -> None:
    with PcapNgWriter(str(file)) as writer:
        for seen, comment in commented:
            packet = IP(seen.captured.packet)
            packet.time = seen.captured.at
            packet.sniffed_on = seen.captured.link
            packet.direction = _OUTBOUND if seen.captured.is_out else _INBOUND
            packet.comment = comment.encode()
            writer.write(packet)
