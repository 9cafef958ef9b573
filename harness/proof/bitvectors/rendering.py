"""The packet that z3 found, in the words of the first engine's counterexamples."""

from __future__ import annotations

import z3

from harness.proof.bitvectors.question import Found
from harness.proof.fields import Flow, Variable
from harness.proof.literals import STATES
from harness.proof.words import Counterexample, Words


def rendered(found: Found) -> Counterexample:
    """The packet in words, with the rules that it meets."""
    values = _Values(found)
    flow, of_packet = values.flow(), values.of_packet()
    words = Words(flow, of_packet)
    wrong, beyond = found.wrong, found.is_beyond_rate
    return Counterexample(words.packet(), words.state(), wrong.fate, wrong.wanted, found.steps, of_packet, beyond)


class _Values:
    def __init__(self, found: Found) -> None:
        self._model = found.model
        self._packet = found.packet
        self._is_untracked = found.is_untracked
        self._connection = found.packet.connection
        self._has_one = self._number(self._connection.state) != STATES["invalid"]

    def _number(self, term: z3.ExprRef) -> int:
        value = self._model.eval(term, model_completion=True)
        return int(z3.is_true(value)) if z3.is_bool(term) else int(value.as_long())

    def flow(self) -> Flow:
        """The flow that this state of connection tracking is."""
        connection = self._connection
        state, is_reply = self._number(connection.state), self._number(connection.is_reply)
        if not self._has_one:
            return Flow.UNTRACKED if self._is_untracked else Flow.INVALID
        if state == STATES["new"]:
            return Flow.NEW_CONFIRMED if self._number(connection.has("confirmed")) else Flow.NEW
        if state == STATES["established"]:
            return Flow.REPLY if is_reply else Flow.ORIGINAL
        by_end = self._number(self._packet.source) == self._number(self._packet.quoted_destination)
        if is_reply:
            return Flow.ABOUT_ORIGINAL_BY_END if by_end else Flow.ABOUT_ORIGINAL_BY_OTHER
        return Flow.ABOUT_REPLY_BY_END if by_end else Flow.ABOUT_REPLY_BY_OTHER

    def of_packet(self) -> dict[Variable, int]:
        """The value of each variable."""
        packet = self._packet
        ends = packet if not self._has_one else self._connection.original
        terms = {
            Variable.LINK: packet.link,
            Variable.PROTOCOL: ends.protocol,
            Variable.SOURCE: ends.source,
            Variable.DESTINATION: ends.destination,
            Variable.SOURCE_PORT: ends.source_port,
            Variable.DESTINATION_PORT: ends.destination_port,
            Variable.TYPE: packet.kind,
            Variable.CODE: packet.code,
            Variable.SENDER: packet.source,
            Variable.QUOTED: packet.quoted_version,
        }
        return {Variable.FLOW: int(self.flow()), **{each: self._number(term) for each, term in terms.items()}}
