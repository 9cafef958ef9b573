"""Format of the events of a run, one line of JSON each. Other programs read it, so its names are a contract.

A reader skips kinds of events and fields that it does not know. No event holds a secret, key or token.
"""

from __future__ import annotations

import re

import msgspec

VERSION = 1
"""Version of the format, which grows when a kind or a field changes its meaning."""

LONGEST_LINE = 4096
"""Most bytes of an event that a scenario sends, with its line end: what a pipe takes up as a whole (PIPE_BUF)."""

LONGEST_TEXT = 240
"""Most characters of a text in an event."""


def _kind(name: str) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"-\1", name).lower()


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=_kind, omit_defaults=True):
    """An event of a run. Its kind is the field `event`; a field that has its default is left out.

    Attributes:
        at: seconds since the run began.
    """

    at: float = 0.0


class PlannedClaim(msgspec.Struct, frozen=True):
    """A claim that the run looks at.

    Attributes:
        id: name of the claim.
        claim: the sentence.
    """

    id: str
    claim: str = ""


class PlannedSabotage(msgspec.Struct, frozen=True):
    """A sabotage that the run tries.

    Attributes:
        id: name of the sabotage.
        claim: id of the claim.
        broke: the fault in words.
    """

    id: str
    claim: str
    broke: str = ""


class RunBegun(Event, frozen=True, kw_only=True):
    """The run has begun. It is the first event.

    Attributes:
        version: version of the format.
        started_at: time in UTC (RFC 3339).
        profile: name of the profile.
        seed: seed of all random choices.
        subject: what is tested, in words.
        claims: claims whose scenarios run.
        sabotages: sabotages that are tried.
    """

    version: int
    started_at: str
    profile: str
    seed: int
    subject: str = ""
    claims: list[PlannedClaim] = []
    sabotages: list[PlannedSabotage] = []


class RoundBegun(Event, frozen=True, kw_only=True):
    """Another round of the scenarios has begun.

    Attributes:
        number: number of the round, from 2 on.
        seed: its seed.
    """

    number: int
    seed: int


class OfScenario(Event, frozen=True, kw_only=True):
    """An event of a scenario.

    Attributes:
        claim: id of the claim that the scenario tests.
        scenario: name of the scenario.
    """

    claim: str
    scenario: str


class ScenarioPlanned(OfScenario, frozen=True, kw_only=True):
    """A scenario will run.

    Attributes:
        title: claim of the scenario in words.
    """

    title: str = ""


class ScenarioBegun(OfScenario, frozen=True, kw_only=True):
    """A scenario has begun.

    Attributes:
        title: claim of the scenario in words.
    """

    title: str = ""


class ScenarioEnded(OfScenario, frozen=True, kw_only=True):
    """A scenario has a verdict.

    Attributes:
        verdict: proven, refuted or inconclusive.
        seconds: seconds it took.
        why: reason why it is not proven; "" if it is.
    """

    verdict: str
    seconds: float
    why: str = ""


class ScenarioRepeated(OfScenario, frozen=True, kw_only=True):
    """A scenario that was not proven was run once more with the same seed.

    Attributes:
        verdict: the second verdict; "" as the second run begins.
        why: reason of the second verdict.
    """

    verdict: str = ""
    why: str = ""


class OfStream(OfScenario, frozen=True, kw_only=True):
    """An event of a stream of numbered packets.

    Attributes:
        stream: name of the stream.
        sent: packets sent so far.
        delivered: packets that have arrived so far.
        denied: packets sent so far while the policy denied the stream.
    """

    stream: str
    sent: int = 0
    delivered: int = 0
    denied: int = 0


class StreamBegun(OfStream, frozen=True, kw_only=True):
    """A stream has begun."""


class StreamFigures(OfStream, frozen=True, kw_only=True):
    """A stream's figures, about once a second."""


class StreamEnded(OfStream, frozen=True, kw_only=True):
    """A stream has ended and was judged.

    Attributes:
        late: packets that were delivered although denied.
        lost: packets that were lost although allowed.
    """

    late: int = 0
    lost: int = 0


class SaveAnswered(OfScenario, frozen=True, kw_only=True):
    """A save of the policy was answered. Of many in a moment, only some have an event, the last among them.

    Attributes:
        policy: the policy in words.
        ms: milliseconds from request to answer.
        saves: saves of the scenario so far.
        slowest_ms: longest time of a save of the scenario so far.
    """

    policy: str
    ms: float
    saves: int = 1
    slowest_ms: float = 0.0


class SabotageBegun(Event, frozen=True, kw_only=True):
    """A sabotage was put into a service, and the scenario that has to notice it begins.

    Attributes:
        sabotage: id of the sabotage.
        claim: id of the claim.
    """

    sabotage: str
    claim: str


class SabotageEnded(Event, frozen=True, kw_only=True):
    """A sabotage was noticed, or missed, or postponed to a run by itself.

    Attributes:
        sabotage: id of the sabotage.
        claim: id of the claim.
        outcome: noticed, missed or postponed.
        seconds: seconds it took.
        why: message of the scenario, or the reason why there is none.
    """

    sabotage: str
    claim: str
    outcome: str
    seconds: float = 0.0
    why: str = ""


class MutantsDrawn(Event, frozen=True, kw_only=True):
    """Automatic breaks were drawn, and the first is judged.

    Attributes:
        count: their number.
    """

    count: int


class MutantJudged(Event, frozen=True, kw_only=True):
    """An automatic break has a verdict.

    Attributes:
        mutant: id of the mutant.
        verdict: noticed, survived, undecided, or alike if it does what the product does.
        seconds: seconds it took.
        why: test that noticed it, with its words; or the reason of another verdict.
    """

    mutant: str
    verdict: str
    seconds: float = 0.0
    why: str = ""


class EventsLost(Event, frozen=True, kw_only=True):
    """Events are missing here, because a scenario never waits until one is taken.

    Attributes:
        count: their number.
    """

    count: int


class Note(Event, frozen=True, kw_only=True):
    """A fact for a person.

    Attributes:
        word: one word.
        text: the fact.
    """

    word: str
    text: str


class RunEnded(Event, frozen=True, kw_only=True):
    """The run has a verdict. It is the last event.

    Attributes:
        verdict: pass or fail.
        seconds: seconds it took.
        problems: reasons for a fail, one sentence each.
        left_out: events that the recording has no room for.
    """

    verdict: str
    seconds: float
    problems: list[str] = []
    left_out: int = 0


AnyEvent = (
    RunBegun
    | RoundBegun
    | ScenarioPlanned
    | ScenarioBegun
    | ScenarioEnded
    | ScenarioRepeated
    | StreamBegun
    | StreamFigures
    | StreamEnded
    | SaveAnswered
    | SabotageBegun
    | SabotageEnded
    | MutantsDrawn
    | MutantJudged
    | EventsLost
    | Note
    | RunEnded
)

# Made at import, because msgspec makes decoders in one thread at a time only.
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_encoder = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """Returns the line of an event, with its line end."""
    return _encoder.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent | None:
    """Reads a line.

    Returns:
        The event; None for a line that was cut, or that is no event this program knows.
    """
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def clipped(text: str) -> str:
    """Returns a text on one line, in the length that an event allows."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"


def json_schema() -> bytes:
    """Returns the JSON Schema (2020-12) of a line."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(AnyEvent)), indent=2) + b"\n"
