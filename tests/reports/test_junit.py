"""JUnit XML is valid for any texts, and its counts agree with the run."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from reports.junit import junit
from reports.schema import Claim, SabotageVerdict, Transcript
from reports.texts import printable
from tests import properties
from tests.reports.samples import claim, run, scenario, transcripts


def read(made: Transcript) -> ET.Element:
    """Parses the file as its readers do."""
    return ET.fromstring(junit(made))  # noqa: S314 - it is our own


def failing(root: ET.Element) -> int:
    """Counts the cases that a reader of the file takes for failed."""
    return sum(int(suite.get(kind, "0")) for suite in root for kind in ("failures", "errors"))


@given(transcripts)
@properties.examples(50)
def test_any_run_is_valid_xml_with_the_right_counts(made: Transcript) -> None:
    root = read(made)
    assert root.tag == "testsuites"
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    names = [(printable(each.id), printable(one.name)) for each in made.claims for one in each.scenarios]
    names += [(printable(each.claim), printable(each.id)) for each in made.sabotage]
    names += [(printable(each.part), printable(each.id)) for each in made.mutants]
    cases = [case for suite in root for case in suite if suite.get("name") != "gate"]
    assert [(case.get("classname"), case.get("name")) for case in cases] == names
    good = [one.verdict == "proven" for each in made.claims for one in each.scenarios]
    good += [each.caught for each in made.sabotage]
    good += [each.verdict not in ("survived", "undecided") for each in made.mutants]
    assert [len(case) == 0 for case in cases] == good


@pytest.mark.long
@given(transcripts)
@properties.examples(50)
def test_junit_has_no_failed_case_exactly_if_the_gate_passes(made: Transcript) -> None:
    root = read(made)
    shown = all(one.verdict == "proven" for each in made.claims for one in each.scenarios)
    noticed = all(each.caught for each in made.sabotage)
    killed = all(each.verdict != "survived" for each in made.mutants)
    assert (failing(root) == 0) is (shown and noticed and killed and made.verdict == "pass")


def test_a_failure_says_why() -> None:
    made = run(
        claim("one-hub", scenario("test_good", seconds=1.25)),
        claim(
            "no-egress",
            scenario("test_leaks", "refuted", failure='3 packets <got> "out" & away'),
            scenario("test_slow", "inconclusive", failure="line one\n\tline two"),
            verdict="refuted",
        ),
        sabotage=[SabotageVerdict("leak", "one-hub", caught=False, noticed="test_good: proven", seconds=2)],
    )
    root = read(made)
    assert root.attrib == {"name": "meshwg gate", "time": "48.200"}
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["test_good"].attrib == {"classname": "one-hub", "name": "test_good", "time": "1.250"}
    assert list(cases["test_good"]) == []
    (leaks,) = cases["test_leaks"]
    assert (leaks.tag, leaks.attrib) == ("failure", {"message": '3 packets <got> "out" & away', "type": "refuted"})
    (slow,) = cases["test_slow"]
    assert (slow.tag, slow.attrib) == ("error", {"message": "line one\n\tline two", "type": "inconclusive"})
    (unnoticed,) = cases["leak"]
    assert (unnoticed.tag, unnoticed.attrib) == ("failure", {"message": "test_good: proven", "type": "unnoticed"})
    assert root.find("testsuite[@name='no-egress']").attrib["time"] == "3.000"  # type: ignore[union-attr]


def test_control_characters_are_kept() -> None:
    text = "\x1b[31mred\x1b[0m \x00\x0b\x1f\ufffe ]]>"
    made = run(claim("one-hub", scenario(text, "refuted", failure=text), verdict="refuted"))
    (case,) = read(made).findall("testsuite[@name='one-hub']/testcase")
    expected = "�[31mred�[0m ���� ]]>"
    assert case.get("name") == expected
    assert case[0].get("message") == expected


def test_a_refuted_scenario_without_a_reason_fails_too() -> None:
    made = run(claim("one-hub", scenario(verdict="refuted", failure=None), verdict="refuted"))
    assert read(made).find("testsuite/testcase/failure") is not None


def test_a_failed_gate_always_has_a_failed_case() -> None:
    problems = ["edge-names has no scenario.", "edge-names has no sabotage."]
    made = run(Claim("edge-names", "inconclusive", []), sabotage=[], verdict="fail", problems=problems)
    root = read(made)
    assert failing(root) > 0
    assert "edge-names has no scenario." in ET.tostring(root, encoding="unicode")
