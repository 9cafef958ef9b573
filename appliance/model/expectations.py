"""Expectations: what a policy should allow or deny, whichever rules it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from appliance.model.errors import Conflict
from appliance.model.policy import Action, Policy, Protocol, Selector, SelectorKind
from appliance.model.port_ranges import PortRange
from appliance.model.reach import MOST_WORK, MachineClass, Reach, TooMuchWork, pair_count
from appliance.model.sentences import Sentence
from appliance.model.services import Used
from appliance.model.verdict import ConnectionEnd


@dataclass(frozen=True)
class Expectation:
    """A verdict that all connections of a kind should have.

    Attributes:
        source, destination: each machine of the one opens connections to each other machine of the other.
        protocol: ANY is every protocol.
        port: of the destination; None is every port.
    """

    source: Selector
    destination: Selector
    verdict: Action
    protocol: Protocol = Protocol.ANY
    port: int | None = None

    def __post_init__(self) -> None:
        self.protocol.check_port(self.port)

    @classmethod
    def parse(
        cls,
        *,
        source: str,
        destination: str,
        verdict: str,
        protocol: str = Protocol.ANY.value,
        port: int | None = None,
    ) -> Expectation:
        """Parse an expectation from its parts.

        Args:
            source, destination: ``any``, ``machine:ID`` or ``group:NAME``.

        Raises:
            Invalid: a part is not of its form; the error's field names the part.
        """
        return cls(
            Selector.parse(source, field="source"),
            Selector.parse(destination, field="destination"),
            Action.parse(verdict, field="verdict"),
            Protocol.parse(protocol),
            port,
        )

    @property
    def parts(self) -> dict[str, str]:
        """Texts of all parts, empty for every port: the arguments with which `parse` makes this expectation."""
        return {
            "source": str(self.source),
            "destination": str(self.destination),
            "verdict": self.verdict.value,
            "protocol": self.protocol.value,
            "port": "" if self.port is None else str(self.port),
        }

    @property
    def sentence(self) -> str:
        """Description, such as ``deny group:guests to group:db, tcp 5432``."""
        service = "" if self.protocol is Protocol.ANY else f", {self.protocol.value}"
        port = "" if self.port is None else f" {self.port}"
        return f"{self.verdict.value} {self.source} to {self.destination}{service}{port}"

    @property
    def services(self) -> Used:
        """The services that it is about."""
        return self.protocol, () if self.port is None else (PortRange(self.port, self.port),)

    def names_machine(self, machine: str) -> bool:
        """True if an end is this machine."""
        return Selector(SelectorKind.MACHINE, machine) in (self.source, self.destination)


class ExpectationBroken(Conflict):
    """The change would break expectations of the policy; it can be forced.

    Attributes:
        broken: these expectations; () if it is not known which.
    """

    code = "expectation-broken"

    def __init__(self, message: Sentence, *, broken: tuple[Expectation, ...] = ()) -> None:
        super().__init__(message, field="force")
        self.broken = broken


@dataclass(frozen=True)
class ExpectationState:
    """An expectation under a policy.

    Attributes:
        holds: None if that was not worked out, because it would take too long.
        pairs: number of pairs of different machines that it is about; without any it holds.
    """

    expectation: Expectation
    holds: bool | None
    pairs: int


def evaluate(
    expectations: Sequence[Expectation],
    policy: Policy,
    machines: Sequence[ConnectionEnd],
    *,
    most_work: int = MOST_WORK,
) -> list[ExpectationState]:
    """Tell which expectations a policy meets: those that no connection of their kind breaks.

    Args:
        most_work: steps (`Reach`) after which nothing more is worked out.
    """
    ends = _Ends(machines)
    pairs = [ends.pairs(each) for each in expectations]
    try:
        holds: list[bool | None] = list(_held(expectations, policy, machines, ends, most_work))
    except TooMuchWork:
        holds = [None if count else True for count in pairs]
    return [ExpectationState(*each) for each in zip(expectations, holds, pairs, strict=True)]


class _Ends:
    """The machines that selectors name."""

    def __init__(self, machines: Sequence[ConnectionEnd]) -> None:
        self._machines = machines
        self._known: dict[Selector, frozenset[str]] = {}

    def of(self, selector: Selector) -> frozenset[str]:
        found = self._known.get(selector)
        if found is None:
            found = frozenset(machine.id for machine in self._machines if machine.matches(selector))
            self._known[selector] = found
        return found

    def pairs(self, expectation: Expectation) -> int:
        return pair_count(self.of(expectation.source), self.of(expectation.destination))


def _held(
    expectations: Sequence[Expectation],
    policy: Policy,
    machines: Sequence[ConnectionEnd],
    ends: _Ends,
    most_work: int,
) -> Iterator[bool]:
    reach = Reach([policy], machines, asked=[each.services for each in expectations], most_work=most_work)

    @cache
    def row_of(place: int) -> Mapping[tuple[int, ...], int]:
        return reach.row(reach.sources[place])

    of_sources, of_destinations = _Classes(reach.sources), _Classes(reach.destinations)
    for each in expectations:
        wanted = reach.space.number(*each.services)
        sources = of_sources.of(ends.of(each.source))
        destinations = of_destinations.of(ends.of(each.destination))
        mask = sum(1 << place for place in destinations)
        is_broken = False
        for place, some in sources.items():
            row = row_of(place)
            reach.spend(len(row))
            for (allowed,), columns in row.items():
                wrong = allowed & wanted if each.verdict is Action.DENY else wanted & ~allowed
                if wrong and columns & mask and _has_pair(some, columns & mask, destinations):
                    is_broken = True
                    break
            if is_broken:
                break
        yield not is_broken


def _has_pair(sources: frozenset[str], mask: int, destinations: Mapping[int, frozenset[str]]) -> bool:
    """True if a source and a destination of one of these classes are different machines.

    Args:
        mask: numbers of classes of destinations, as bits.
    """
    # At most two classes are looked at, however many there are: one of them is not the source.
    while mask:
        place = mask.bit_length() - 1
        some = destinations[place]
        if len(sources) > 1 or len(some) > 1 or some != sources:
            return True
        mask ^= 1 << place
    return False


class _Classes:
    """Parts of sets of machines that are in one class each."""

    def __init__(self, classes: Sequence[MachineClass]) -> None:
        self._place = {machine: place for place, each in enumerate(classes) for machine in each.ids}
        self._known: dict[frozenset[str], Mapping[int, frozenset[str]]] = {}

    def of(self, machines: frozenset[str]) -> Mapping[int, frozenset[str]]:
        found = self._known.get(machines)
        if found is None:
            parts: defaultdict[int, set[str]] = defaultdict(set)
            for machine in machines:
                parts[self._place[machine]].add(machine)
            found = self._known[machines] = {place: frozenset(some) for place, some in parts.items()}
        return found
