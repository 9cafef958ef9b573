"""Verdicts on a stream, packet by packet: invented packets, judged by the real code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.answer import Answer
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay import judged_stream
from harness.overlay.judged_stream import JudgedStream
from tests import properties
from tests.harness.overlay.made_up_stream import INTERVAL, JOURNEY, LOOK, SYSTEM_CALL, MadeUpStream, Stage


@pytest.fixture(scope="module")
def patch() -> Any:
    """Patches for the whole module, so that property tests can use them."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture
def stage(patch: pytest.MonkeyPatch) -> Stage:
    return staged(patch)


def staged(patch: pytest.MonkeyPatch) -> Stage:
    """Returns a stage whose stream the next flow gets."""
    made = Stage()
    patch.setattr(judged_stream, "UdpStream", lambda *_, **__: made.stream)
    return made


def flip(stage: Stage, running: JudgedStream) -> tuple[Answer, Answer]:
    """Denies and allows the stream, and judges both phases."""
    denied = stage.stream.change(passes=False)
    running.stops(denied)
    allowed = stage.stream.change(passes=True)
    running.flows(allowed)
    return denied, allowed


def counted(stage: Stage, name: str) -> int:
    """Returns a figure that counts packets, and checks that it is one among chances that were packets."""
    figure: dict[str, Any] = cast(Any, stage.record.measured[name])
    assert figure["limit"] == 0
    assert 0 <= figure["value"] <= figure["of"] <= len(stage.stream.sent())
    return int(figure["value"])


def test_a_hub_that_does_what_it_answers_is_proven(stage: Stage) -> None:
    with stage.flow() as running:
        running.flows()
        for _ in range(3):
            flip(stage, running)
    assert stage.stream.stopped
    assert stage.record.measured["mumbai→pune packets sent"] == len(stage.stream.sent())
    assert counted(stage, "mumbai→pune delivered although denied") == 0
    assert counted(stage, "mumbai→pune lost although allowed") == 0


def test_streams_of_one_name_are_counted_together(stage: Stage) -> None:
    sent = denied = 0
    for _ in range(2):
        stage.stream = MadeUpStream()
        with stage.flow() as running:
            running.flows()
            flip(stage, running)
        sent += len(stage.stream.sent())
        figure: dict[str, Any] = cast(Any, stage.record.measured["mumbai→pune delivered although denied"])
        assert figure["of"] > denied
        denied = figure["of"]
    assert stage.record.measured["mumbai→pune packets sent"] == sent


def test_a_stream_that_is_never_denied_has_no_figure_for_denial(stage: Stage) -> None:
    with stage.flow() as running:
        running.flows()
    assert "mumbai→pune delivered although denied" not in stage.record.measured
    assert "mumbai→pune lost although allowed" in stage.record.measured


def test_the_slowest_delivery_after_an_allow_is_kept(stage: Stage) -> None:
    waited = []
    with stage.flow() as running:
        running.flows()
        for quarters in (1, 3, 2):
            running.stops(stage.stream.change(passes=False))
            stage.stream.wait(-stage.stream.now % INTERVAL)
            allowed = stage.stream.change(passes=True, duration=5 * INTERVAL + quarters * INTERVAL // 4)
            running.flows(allowed)
            waited.append(INTERVAL * (4 - quarters) // 4 + JOURNEY)
    assert stage.record.measured["delivery after allow"] == {"value": max(waited) / 1e9, "unit": "s"}


def test_a_packet_delivered_after_its_denial_refutes_at_once(stage: Stage) -> None:
    with stage.ends(Refuted, "mumbai→pune: 1 packets sent after the answer") as running:
        running.flows()
        denied = stage.stream.change(passes=False)
        stage.stream.wait(LOOK)
        stage.stream.deliver(stage.stream.sent_after(denied.answered_ns))
        running.stops(denied)
        pytest.fail("it goes on")
    assert stage.record.measured["mumbai→pune delivered although denied"] == {
        "value": 1,
        "unit": "packets",
        "limit": 0,
    }


def test_a_denied_packet_that_arrives_late_refutes_at_the_end(stage: Stage) -> None:
    with stage.ends(Refuted, "sent after the answer that denies them were delivered") as running:
        running.flows()
        denied, _ = flip(stage, running)
        stage.stream.deliver(stage.stream.sent_after(denied.answered_ns, 20))


def test_the_last_phase_is_judged_too(stage: Stage) -> None:
    with stage.ends(Refuted, "delivered") as running:
        running.flows()
        running.stops(stage.stream.change(passes=False))
        stage.stream.wait(LOOK)
        stage.stream.deliver(len(stage.stream.sent()) - 1)


def test_an_answer_before_the_rule_is_enforced_refutes(stage: Stage) -> None:
    with stage.ends(Refuted, "delivered") as running:
        running.flows()
        now = stage.stream.now
        too_early = Answer(200, {}, now, now + INTERVAL)
        stage.stream.wait(5 * INTERVAL)
        stage.stream.passes = False
        running.stops(too_early)


@pytest.mark.parametrize("phase", ["before the change", "after the allow", "at the end"])
def test_an_allowed_packet_lost_outside_a_change_refutes(stage: Stage, phase: str) -> None:
    with stage.ends(Refuted, r"mumbai→pune: packets that are allowed were lost: 1 \(") as running:
        running.flows()
        begun = stage.stream.now
        stage.stream.wait(LOOK)
        _, allowed = flip(stage, running)
        stage.stream.wait(LOOK)
        moments = {
            "before the change": begun,
            "after the allow": allowed.answered_ns,
            "at the end": stage.stream.now - 3 * INTERVAL,
        }
        stage.stream.lose(stage.stream.sent_after(moments[phase]))
    assert counted(stage, "mumbai→pune lost although allowed") == 1


@pytest.mark.parametrize("at", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_packets_sent_during_a_request_may_go_either_way(stage: Stage, at: float) -> None:
    with stage.flow() as running:
        running.flows()
        for passes in (False, True):
            change = stage.stream.change(passes=passes, duration=20 * INTERVAL, at=at)
            (running.flows if passes else running.stops)(change)
            # Even a loss before a packet that arrived is allowed here.
            during = stage.stream.sent_in(change.requested_ns + 1, change.answered_ns - 1)
            assert len(during) >= 18
            stage.stream.lose(during[3])
            stage.stream.deliver(during[15])


def test_a_packet_sent_as_the_request_begins_may_go_either_way(stage: Stage) -> None:
    with stage.flow() as running:
        running.flows()
        # The system call began before the request and ended after it.
        stage.stream.wait(-stage.stream.now % INTERVAL + SYSTEM_CALL // 2)
        straddling = stage.stream.sent_after(stage.stream.now - SYSTEM_CALL)
        denied = stage.stream.change(passes=False)
        packet = stage.stream.sent()[straddling]
        assert packet.sent_ns < denied.requested_ns < packet.done_ns
        stage.stream.lose(straddling)
        running.stops(denied)


def test_no_arrival_after_an_allow_refutes(stage: Stage) -> None:
    with stage.ends(Refuted, "mumbai→pune is allowed, and nothing arrives for 5 s") as running:
        running.flows()
        running.stops(stage.stream.change(passes=False))
        running.flows(stage.stream.change(passes=False))


def test_a_stream_that_never_arrives_refutes(stage: Stage) -> None:
    stage.stream.passes = False
    with stage.ends(Refuted, "nothing arrives") as running:
        running.flows()
    assert stage.stream.stopped


def test_a_stream_that_breaks_off_before_its_end_refutes(stage: Stage) -> None:
    with stage.ends(Refuted, "mumbai→pune is allowed, and nothing arrives any more") as running:
        running.flows()
        flip(stage, running)
        stage.stream.passes = False
    assert stage.stream.stopped


def test_a_packet_lost_to_a_full_queue_is_no_loss_of_the_hub(stage: Stage) -> None:
    with stage.flow() as running:
        running.flows()
        begun = stage.stream.now
        stage.stream.wait(3 * LOOK)
        first = stage.stream.sent_after(begun)
        stage.stream.deliver(first, 2 * LOOK)
        stage.stream.lose(first + 90)
    assert stage.record.measured["mumbai→pune lost to a busy machine"] == {"value": 1, "unit": "packets"}
    assert counted(stage, "mumbai→pune lost although allowed") == 0


def test_excused_losses_of_most_packets_are_inconclusive(stage: Stage) -> None:
    with stage.ends(Inconclusive, "lost to a busy machine: .* says too little") as running:
        running.flows()
        begun = stage.stream.now
        stage.stream.wait(20 * LOOK)
        first, last = stage.stream.sent_after(begun), len(stage.stream.sent()) - 2
        stage.stream.deliver(first, 20 * LOOK)
        for lost in range(first + 1, last):
            stage.stream.lose(lost)


def test_too_few_packets_are_inconclusive(stage: Stage) -> None:
    stage.deadline_s = -1.0
    with stage.ends(Inconclusive, "the lab sent fewer than 25 packets") as running:
        running.flows()
        stage.stream.sends = False
        running.stops(stage.stream.change(passes=False))


def test_a_receiver_that_was_too_slow_is_inconclusive(stage: Stage) -> None:
    with stage.ends(Inconclusive, "receiver was too slow for 3") as running:
        running.flows()
        stage.stream.lose(stage.stream.sent_after(stage.stream.now - 5 * INTERVAL))
        stage.stream.receiver_drops = 3


def test_a_slow_receiver_excuses_no_delivered_denied_packet(stage: Stage) -> None:
    with stage.ends(Refuted, "delivered") as running:
        running.flows()
        denied, _ = flip(stage, running)
        stage.stream.deliver(stage.stream.sent_after(denied.answered_ns, 7))
        stage.stream.receiver_drops = 3


def test_a_packet_that_the_senders_kernel_refused_is_no_loss(stage: Stage) -> None:
    with stage.flow() as running:
        running.flows()
        stage.stream.refuse(stage.stream.sent_after(stage.stream.now - 5 * INTERVAL))


def test_an_unexpected_error_is_raised_unchanged(stage: Stage) -> None:
    with stage.ends(KeyError, "other") as running:
        running.flows()
        stage.stream.lose(stage.stream.sent_after(stage.stream.now - 5 * INTERVAL))
        raise KeyError("other")
    assert stage.stream.stopped
    assert "mumbai→pune lost although allowed" not in stage.record.measured


def judged(act: Callable[[], None]) -> str:
    try:
        act()
    except Refuted:
        return "refuted"
    return "proven"


@given(data=st.data())
@properties.examples(150)
def test_only_packets_of_the_change_itself_may_go_either_way(patch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    stage = staged(patch)
    allowed: list[tuple[int, int]] = []
    denied: list[tuple[int, int]] = []

    def act() -> None:
        with stage.flow() as running:
            running.flows()
            begun, arrives = LOOK, True
            for _ in range(data.draw(st.integers(0, 4), label="flips")):
                duration = data.draw(st.integers(1, 30 * INTERVAL), label="duration")
                change = stage.stream.change(
                    passes=not arrives, duration=duration, at=data.draw(st.floats(0, 1), label="at")
                )
                (allowed if arrives else denied).append((begun, change.requested_ns))
                arrives, begun = not arrives, change.answered_ns
                (running.flows if arrives else running.stops)(change)
            # The last phase lasts until the stream ends.
            (allowed if arrives else denied).append((begun, 1 << 62))
            if changed := data.draw(st.none() | st.integers(0, len(stage.stream.sent()) - 1), label="changed"):
                change_fate(changed)

    def change_fate(seq: int) -> None:
        if seq in {packet.seq for packet in stage.stream.received()}:
            stage.stream.lose(seq)
        else:
            stage.stream.deliver(seq)

    def in_time(start: int, end: int) -> list[int]:
        # A packet under way at the next change may be judged by that change.
        sent = stage.stream.sent()
        return [packet.seq for packet in sent if start <= packet.sent_ns and packet.sent_ns + JOURNEY <= end]

    verdict = judged(act)
    arrived = {packet.seq for packet in stage.stream.received()}
    # The last packet of a phase has no later one that shows that it was lost.
    must_arrive = {seq for phase in allowed for seq in in_time(*phase)[:-1]}
    must_not = {seq for phase in denied for seq in in_time(*phase)}
    wrong = (must_arrive - arrived) | (must_not & arrived)
    assert verdict == ("refuted" if wrong else "proven")
