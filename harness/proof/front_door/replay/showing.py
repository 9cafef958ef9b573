"""Datagrams that refute a claim as real ones: each is sent through a copy of the front door, and captured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.proof.choice import Unreachable
from harness.proof.errors import Unmodelled
from harness.proof.front_door.cases import Case
from harness.proof.front_door.claims import DESK, INNER
from harness.proof.front_door.reading import DoorReading
from harness.proof.front_door.replay.packets import ports_of
from harness.proof.front_door.replay.replaying import Outcome, Replay, differences, replay
from harness.proof.front_door.words import DoorExample
from harness.proof.replay.capturing import Shown, Sight, kept
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.wire import Captured
from harness.proof.words import Counterexample

_ON_ITS_WAY = {"prerouting": "arrives", "output": "is sent by the host"}


def show_door(reading: DoorReading, examples: Sequence[Counterexample], folder: Path, name: str) -> list[Shown]:
    """Replays counterexamples, and writes a capture of each.

    Args:
        folder: folder of the captures, made if it is missing.
        name: beginning of the names of the files, which end with a number and ``.pcapng``.
    """
    cases = [_case(each) for each in examples]
    known = [each for each in cases if each is not None]
    outcomes: Iterator[Outcome]
    try:
        outcomes = iter(replay(reading, known))
    except (Unreplayable, Unmodelled) as error:
        reason = Unreachable(str(error))
        outcomes = iter([reason] * len(known))
    return [
        Shown(Sight.NOTHING, "not replayed: the rates and sets that it needs were not found")
        if case is None
        else _shown(example, case, next(outcomes), folder / f"{name}-{at}.pcapng")
        for at, (example, case) in enumerate(zip(examples, cases, strict=True), 1)
    ]


def _case(example: Counterexample) -> Case | None:
    return example.case if isinstance(example, DoorExample) else None


def _shown(example: Counterexample, case: Case, outcome: Outcome, file: Path) -> Shown:
    if isinstance(outcome, Unreachable):
        return Shown(Sight.NOTHING, f"not replayed: {outcome}")
    says = f"a real datagram in a copy of the front door {'; '.join(_words(case, outcome))}"
    sight = Sight.AS_COMPUTED
    if different := list(differences(case, outcome)):
        sight = Sight.CONTRADICTION
        says = (
            "a real datagram contradicts this, so the proof or the copy is wrong; please report it:"
            f" {'; '.join(different)}"
        )
    return kept(Shown(sight, says), file, _commented(example, case, outcome, says))


def _words(case: Case, real: Replay) -> Iterator[str]:
    """Fate of a real datagram, in words."""
    if not real.passed:
        yield "is dropped"
    elif real.sockets:
        yield f"comes to the socket of port {', '.join(map(str, sorted(real.sockets)))}"
    elif real.final is not None:
        end, port = ("to", real.final[1]) if case.hook == "prerouting" else ("from", real.final[0])
        yield f"passes, {end} port {port}"
    else:
        yield "passes"
    if real.passed and not real.untracked:
        yield "connection tracking sees it"
    for (name, key), after in case.after.items():
        if name in (DESK, INNER):
            continue
        found, before = real.elements.get((name, key)), case.before[name, key]
        if found is None and before.there:
            yield f"the entry {key:#x} of {name} is gone"
        elif found is not None and not before.there and after.there:
            yield f"the entry {key:#x} of {name} is made, with {found.value}"
        elif found is not None and before.there and found.value != before.value:
            yield f"the entry {key:#x} of {name} has {found.value}, not {before.value}"
        elif found is not None and before.there and found.renewed:
            yield f"the entry {key:#x} of {name} is renewed"


def _commented(example: Counterexample, case: Case, real: Replay, says: str) -> Iterator[tuple[Captured, str]]:
    entries = [
        f"\n  {name} has {key:#x}" + (f" with {each.value}" if each.value else "")
        for (name, key), each in case.before.items()
        if each.there
    ]
    comment = f"The datagram {_ON_ITS_WAY[case.hook]}.\n{example}\n  before it:{''.join(entries) or ' nothing'}\n{says}"
    if case.hook == "output":
        # What the host sends is captured where it leaves, with what the rules wrote.
        first = min((each.at for each in real.seen), default=time.time())
        yield Captured(first, "sent", True, real.sent), comment
    for each in real.seen:
        if ports_of(each.packet) is None or not _is_its_own(each, real):
            continue
        if case.hook == "prerouting" and not each.is_out:
            yield each, comment
        elif case.hook == "output" and each.is_out:
            yield each, "The datagram leaves."


def _is_its_own(captured: Captured, real: Replay) -> bool:
    """True for a packet with the datagram's payload; rules write to headers alone."""
    return captured.packet[-8:] == real.sent[-8:] and len(captured.packet) == len(real.sent)
