"""Faults that a service reports of itself."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest

from harness.judging.verdicts import Refuted
from harness.subject.faults import FaultWatch

START = """meshwg_http_answers_total{status="200"} 4.0
meshwg_http_answers_total{status="500"} 1.0
meshwg_repairs_total{part="link"} 2.0
meshwg_machine_calls_total{outcome="made"} 0.0
meshwg_machine_calls_total{outcome="failed"} 0.0
"""


def event(words: str, level: str = "error", **facts: str) -> str:
    return json.dumps({"event": words, "level": level, **facts}) + "\n"


class Reports:
    """Log and metrics of a service."""

    def __init__(self) -> None:
        self.log = event("hub starts", "info") + "MeshWG is up\n"
        self.metrics = START
        self.ends: list[str] = []
        self.answers = True
        self.watch = FaultWatch(lambda: self.log, self.read_metrics, lambda: self.ends)

    def read_metrics(self) -> str:
        if not self.answers:
            raise ConnectionError
        return self.metrics

    def scenario(self, log: str = "", metrics: str | None = None, *announced: str) -> None:
        with self.watch.without_faults(announced):
            self.log += log
            self.metrics = self.metrics if metrics is None else metrics


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (event("a call failed"), "a call failed"),
        (event("a thread ended", "critical"), "a thread ended"),
        (event("cleanup failed", "warning", exception="Traceback …"), "traceback: cleanup failed"),
        (
            "Traceback (most recent call last):\n  here\nKeyError: 1\n",
            "Traceback (most recent call last):\n.*\nKeyError",
        ),
        ("panic: runtime error\n", "panic: runtime error"),
        ('{"event": \nfatal error: out of memory\n', "fatal error: out of memory"),
    ],
)
def test_an_error_or_a_traceback_refutes(reports: Reports, line: str, name: str) -> None:
    with pytest.raises(Refuted, match=f"(?s)faults that nobody provoked: {name.replace('(', '.').replace(')', '.')}"):
        reports.scenario(event("hub is ready", "info") + line)


@pytest.mark.parametrize(
    "line",
    [
        "Fatal Python error: Segmentation fault",
        "Segmentation fault (core dumped)",
        "Aborted",
        "free(): invalid pointer",
        "malloc(): corrupted top size",
        "malloc_consolidate(): unaligned fastbin chunk detected",
        "double free or corruption (out)",
        "corrupted size vs. prev_size",
        "*** stack smashing detected ***: terminated",
        "python3: nptl.c:5: start: Assertion `ret == 0' failed.",
        "Fatal glibc error: malloc assertion failure in sysmalloc",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "thread 'main' has overflowed its stack",
        "memory allocation of 64 bytes failed",
        "fatal runtime error: stack overflow",
        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]",
    ],
)
def test_last_words_of_a_crash_refute(reports: Reports, line: str) -> None:
    with pytest.raises(Refuted, match=re.escape(f"nobody provoked: {line}")):
        reports.scenario(event("hub is ready", "info") + line + "\n")


def test_other_lines_refute_nothing(reports: Reports) -> None:
    reports.scenario(event("a limit was reached", "warning") + "a Traceback of words\n[1]\n{\n{}\n")


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        (START.replace('500"} 1.0', '500"} 2.0'), 'status="500"} grew by 1'),
        (START + 'meshwg_http_answers_total{status="503"} 3.0\n', 'status="503"} grew by 3'),
        (START.replace("2.0", "4.0"), 'part="link"} grew by 2'),
        (START.replace('failed"} 0.0', 'failed"} 1.0'), 'outcome="failed"} grew by 1'),
        # A process that began again counts from 0.
        (START.replace("2.0", "1.0"), 'part="link"} grew by 1'),
    ],
)
def test_a_counter_of_failures_refutes(reports: Reports, metrics: str, name: str) -> None:
    with pytest.raises(Refuted, match=name):
        reports.scenario("", metrics)


def test_other_counters_refute_nothing(reports: Reports) -> None:
    reports.scenario("", START.replace('200"} 4.0', '200"} 9.0').replace('made"} 0.0', 'made"} 5.0'))


def test_a_service_that_was_left_stopped_has_no_counters(reports: Reports) -> None:
    reports.scenario("", "")


def test_what_was_announced_refutes_nothing(reports: Reports) -> None:
    worse = START.replace("2.0", "4.0")
    reports.scenario(event("damage can't be repaired yet"), worse, "meshwg_repairs_total", "damage can't be")
    with pytest.raises(Refuted, match="provoked: traceback: damage can't be"):
        reports.scenario(event("damage can't be repaired yet", exception="…"), None, "damage can't be")


def test_what_one_announced_may_be_counted_in_the_next_time(reports: Reports) -> None:
    reports.scenario("", None, "meshwg_repairs_total")
    reports.scenario("", START.replace("2.0", "4.0"))
    with pytest.raises(Refuted, match='part="link"} grew by 2'):
        reports.scenario("", START.replace("2.0", "6.0"))


def test_a_scenario_answers_for_the_time_before_it(reports: Reports) -> None:
    reports.scenario()
    reports.log += event("a call failed")
    reports.metrics = START.replace("2.0", "4.0")
    with pytest.raises(Refuted, match=r'provoked: a call failed; meshwg_repairs_total{part="link"}'):
        reports.scenario()
    reports.scenario()


def test_a_failed_scenario_leaves_none_of_its_faults_behind(reports: Reports) -> None:
    reports.scenario()
    with suppress(KeyError), reports.watch.without_faults(()):
        reports.log += event("a call failed")
        reports.metrics = START.replace("2.0", "4.0")
        raise KeyError
    reports.scenario()


def test_the_end_answers_for_the_time_after_the_last_scenario(reports: Reports) -> None:
    reports.scenario("", None, "meshwg_repairs_total")
    reports.metrics = START.replace("2.0", "4.0")
    reports.watch.check_end()
    reports.log += event("it did not close")
    with pytest.raises(Refuted, match="provoked: it did not close"):
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
