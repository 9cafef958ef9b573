"""Spans of a watch over a service's faults: which scenario answers for which fault, and what it may announce."""

from __future__ import annotations

from contextlib import suppress

import pytest

from harness.judging.verdicts import Refuted
from harness.subject.fault_watch import LONGEST_S, QUIET_S
from tests.harness.subject.reports import REPAIR, Reports, event


@pytest.fixture
def reports() -> Reports:
    return Reports()


def test_what_was_announced_refutes_nothing(reports: Reports) -> None:
    with reports.watch.without_faults(["meshwg_repairs_total", "damage can't be"]):
        reports.log += event("damage can't be repaired yet")
        reports.count(REPAIR, 2.0)
    with pytest.raises(Refuted, match="provoked: traceback: damage can't be"):
        reports.scenario(event("damage can't be repaired yet", exception="…"), None, "damage can't be")


def test_an_announcement_excuses_no_fault_of_the_next_one(reports: Reports) -> None:
    reports.scenario("", None, "meshwg_repairs_total", "a call failed")
    with pytest.raises(Refuted, match="provoked: a call failed"):
        reports.scenario(event("a call failed"))
    reports.scenario("", None, "meshwg_repairs_total", "a call failed")
    with pytest.raises(Refuted, match='part="link"} grew by 2'), reports.watch.without_faults(()):
        reports.count(REPAIR, 2.0)


def test_an_announcement_excuses_no_fault_before_it(reports: Reports) -> None:
    reports.scenario()
    reports.log += event("a call failed")
    with pytest.raises(Refuted, match="provoked: a call failed"):
        reports.scenario("", None, "a call failed")


def test_late_faults_are_waited_for_and_excused(reports: Reports) -> None:
    begin = reports.clock.now

    def goes_on(at: float) -> None:
        if at < begin + 8:
            reports.log += event("damage can't be repaired yet")
            reports.count(REPAIR, at)

    reports.scenario("", None, "meshwg_repairs_total", "damage can't be")
    reports.later = goes_on
    reports.scenario()
    assert 7.5 + QUIET_S <= reports.clock.now - begin < 8 + QUIET_S


@pytest.mark.parametrize(
    ("healthy", "unsettled"),
    [("_enforced 3.0", "_enforced 2.0"), ("hub_up 1.0", "hub_up 0.0"), ("calls_due 0.0", "calls_due 2.0")],
)
def test_what_is_still_to_be_repaired_is_waited_for(reports: Reports, healthy: str, unsettled: str) -> None:
    begin = reports.clock.now
    reports.scenario("", reports.metrics.replace(healthy, unsettled), "damage can't be")

    def settles(at: float) -> None:
        if at >= begin + 9:
            reports.metrics = reports.metrics.replace(unsettled, healthy)

    reports.later = settles
    reports.scenario()
    assert reports.clock.now - begin >= 9


def test_a_late_fault_of_another_kind_refutes(reports: Reports) -> None:
    reports.scenario("", None, "damage can't be")

    def fails(_: float) -> None:
        if "a call failed" not in reports.log:
            reports.log += event("a call failed")

    reports.later = fails
    with pytest.raises(Refuted, match="provoked: a call failed"):
        reports.scenario()


def test_a_service_that_never_settles_is_excused_no_longer(reports: Reports) -> None:
    reports.scenario("", None, "damage can't be")

    def goes_on(_: float) -> None:
        reports.log += event("damage can't be repaired yet")

    reports.later, begin = goes_on, reports.clock.now
    with pytest.raises(Refuted, match="provoked: damage can't be repaired yet"):
        reports.scenario(event("damage can't be repaired yet"))
    assert LONGEST_S <= reports.clock.now - begin < LONGEST_S + 2


def test_like_announcements_need_no_wait(reports: Reports) -> None:
    begin = reports.clock.now
    reports.scenario("", None, "damage can't be repaired yet")
    reports.log += event("damage can't be repaired yet")
    reports.scenario("", None, "damage can't be")
    assert reports.clock.now == begin


def test_metrics_out_of_reach_are_waited_for(reports: Reports) -> None:
    reports.scenario("", None, "the web process was killed")
    reports.answers, begin = False, reports.clock.now

    def comes(at: float) -> None:
        reports.answers = at > begin + 5

    reports.later = comes
    reports.scenario()
    with suppress(KeyError), reports.watch.without_faults(()):
        raise KeyError
    reports.answers, begin = False, reports.clock.now
    reports.scenario()


def test_a_scenario_answers_for_the_time_before_it(reports: Reports) -> None:
    reports.scenario()
    reports.log += event("a call failed")
    reports.count(REPAIR, 2.0)
    with pytest.raises(Refuted, match=r'provoked: a call failed; meshwg_repairs_total{part="link"}'):
        reports.scenario()
    reports.scenario()


def test_a_failed_scenario_leaves_none_of_its_faults_behind(reports: Reports) -> None:
    reports.scenario()
    with suppress(KeyError), reports.watch.without_faults(()):
        reports.log += event("a call failed")
        reports.count(REPAIR, 2.0)
        raise KeyError
    reports.scenario()


def test_what_is_counted_before_a_stop_counts(reports: Reports) -> None:
    def stop() -> None:
        reports.count(REPAIR, 2.0)
        reports.watch.look()
        reports.metrics = ""

    with pytest.raises(Refuted, match='part="link"} grew by 2'), reports.watch.without_faults(()):
        stop()


def test_the_end_answers_for_the_time_after_the_last_scenario(reports: Reports) -> None:
    reports.scenario("", None, "it did not close")
    reports.log += event("it did not close")
    reports.watch.settle()
    reports.watch.check_end()
    reports.log += event("it did not close")
    with pytest.raises(Refuted, match="provoked: it did not close"):
        reports.watch.check_end()


def test_what_is_counted_before_the_end_counts(reports: Reports) -> None:
    reports.scenario()
    reports.count(REPAIR, 2.0)
    reports.watch.look()
    with pytest.raises(Refuted, match='part="link"} grew by 2'):
        reports.watch.check_end()


def test_a_stop_that_is_not_clean_refutes(reports: Reports) -> None:
    reports.scenario()
    reports.ends.append("exit status 1 after it was told to stop")
    with pytest.raises(Refuted, match="provoked: exit status 1 after it was told to stop"):
        reports.watch.check_end()
    reports.watch.check_end()


def test_a_line_is_judged_once_it_is_whole(reports: Reports) -> None:
    line = event("a call failed")
    reports.scenario(line[:9])
    with pytest.raises(Refuted, match="a call failed"):
        reports.scenario(line[9:])


def test_the_first_scenario_answers_for_the_start(reports: Reports) -> None:
    reports.log += event("a call failed")
    with pytest.raises(Refuted, match="a call failed"):
        reports.scenario()


def test_metrics_out_of_reach_hide_no_failure(reports: Reports) -> None:
    def fails() -> None:
        reports.answers = False
        raise KeyError

    with pytest.raises(KeyError), reports.watch.without_faults(()):
        fails()


def test_a_failure_of_the_scenario_comes_first(reports: Reports) -> None:
    reports.log += event("a call failed")
    with pytest.raises(KeyError), reports.watch.without_faults(()):
        raise KeyError
