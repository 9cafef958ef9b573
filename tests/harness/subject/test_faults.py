"""Faults that a service reports of itself: what is one, and what is none."""

from __future__ import annotations

import re

import pytest

from harness.judging.verdicts import Refuted
from tests.harness.subject.reports import ANSWER, NEXT_HUB, NEXT_WEB, REPAIR, START, Reports, event


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
    ("counted", "name"),
    [
        ('status="500"} 2.0', 'status="500"} grew by 2'),
        ('status="503"} 3.0', 'status="503"} grew by 3'),
        ('part="link"} 2.0', 'part="link"} grew by 2'),
        ('outcome="failed"} 1.0', 'outcome="failed"} grew by 1'),
    ],
)
def test_a_counter_of_failures_refutes(reports: Reports, counted: str, name: str) -> None:
    label, _, _ = counted.partition("}")
    line = next((each for each in START.splitlines() if label in each), 'meshwg_http_answers_total{status="503"} 0.0')
    metrics = START.replace(f"{line}\n", "") + f"{line.partition('{')[0]}{{{counted}\n"
    with pytest.raises(Refuted, match=name):
        reports.scenario("", metrics)


def test_other_counters_refute_nothing(reports: Reports) -> None:
    reports.scenario("", START.replace('200"} 4.0', '200"} 9.0').replace('made"} 0.0', 'made"} 5.0'))


def test_a_repair_in_the_log_refutes(reports: Reports) -> None:
    """Its counter is lost if the hub is killed before the next look."""
    with pytest.raises(Refuted, match="nobody provoked: damage was repaired"):
        reports.scenario(event("damage was repaired", "warning"))


def test_what_was_counted_before_the_first_scenario_refutes(reports: Reports) -> None:
    reports.count(ANSWER, 1.0)
    with pytest.raises(Refuted, match='status="500"} grew by 1'):
        reports.scenario()
    reports.scenario()


@pytest.mark.parametrize(
    ("counter", "log", "began"),
    [(REPAIR, NEXT_HUB, NEXT_WEB[0]), (ANSWER, "", NEXT_WEB[1])],
)
@pytest.mark.parametrize("value", [1.0, 2.0, 3.0])
def test_a_process_that_began_again_counts_from_0(
    reports: Reports, counter: str, log: str, began: str, value: float
) -> None:
    with reports.watch.without_faults([counter.strip()]):
        reports.count(counter, 2.0)
    reports.scenario()
    again = reports.counted(counter, value).replace(NEXT_WEB[0], began)
    with pytest.raises(Refuted, match=re.escape(f"{counter}grew by {value:g}")):
        reports.scenario(log, again)
    reports.scenario()


def test_a_hub_that_does_not_answer_loses_no_counter(reports: Reports) -> None:
    with reports.watch.without_faults([REPAIR.strip()]):
        reports.count(REPAIR, 2.0)
    whole = reports.metrics
    reports.scenario("", "".join(line for line in whole.splitlines(keepends=True) if "repairs" not in line))
    reports.scenario("", whole)


def test_a_service_that_was_left_stopped_has_no_counters(reports: Reports) -> None:
    reports.scenario("", "")
    reports.scenario("", START)
