"""A transcript as JUnit's XML, for the programs that read nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET  # it writes XML, and reads none  # nosec B405

from reports.schema import PROVEN, REFUTED, Sabotage, Scenario, Transcript
from reports.texts import printable


def junit(transcript: Transcript) -> bytes:
    """One suite a claim, one for the sabotages, and one with the gate's own word: a failure exactly if it is one."""
    root = ET.Element("testsuites", name="meshwg gate", time=f"{transcript.seconds:.3f}")
    for claim in transcript.claims:
        suite = _suite(root, claim.id, [scenario.seconds for scenario in claim.scenarios])
        for scenario in claim.scenarios:
            _scenario(suite, claim.id, scenario)
        _count(suite)
    _sabotages(root, transcript.sabotage)
    _gate(root, transcript)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(root: ET.Element, name: str, seconds: Sequence[float]) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=printable(name), time=f"{sum(seconds):.3f}")


def _scenario(suite: ET.Element, claim: str, scenario: Scenario) -> None:
    case = _case(suite, claim, scenario.name, scenario.seconds)
    if scenario.verdict != PROVEN:
        kind = "failure" if scenario.verdict == REFUTED else "error"
        ET.SubElement(case, kind, message=printable(scenario.failure or ""), type=printable(scenario.verdict))


def _sabotages(root: ET.Element, sabotages: Sequence[Sabotage]) -> None:
    suite = _suite(root, "sabotage", [sabotage.seconds for sabotage in sabotages])
    for sabotage in sabotages:
        case = _case(suite, sabotage.claim, sabotage.id, sabotage.seconds)
        if not sabotage.caught:
            ET.SubElement(case, "failure", message=printable(sabotage.noticed), type="unnoticed")
    _count(suite)


def _gate(root: ET.Element, transcript: Transcript) -> None:
    """A claim that nothing speaks of fails no scenario, and the gate all the same."""
    suite = _suite(root, "gate", [])
    case = _case(suite, "gate", "verdict", 0.0)
    if transcript.verdict != "pass":
        message = "\n".join(transcript.problems)
        ET.SubElement(case, "failure", message=printable(message), type=printable(transcript.verdict))
    _count(suite)


def _case(suite: ET.Element, claim: str, name: str, seconds: float) -> ET.Element:
    facts = {"classname": printable(claim), "name": printable(name), "time": f"{seconds:.3f}"}
    return ET.SubElement(suite, "testcase", facts)


def _count(suite: ET.Element) -> None:
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
