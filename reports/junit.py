"""A transcript as JUnit's XML, for the programs that read nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from reports.schema import REFUTED, Sabotage, Scenario, Transcript
from reports.texts import printable


def junit(transcript: Transcript) -> bytes:
    """One suite a claim, and one for the sabotages."""
    root = ET.Element("testsuites", name="meshwg gate", time=f"{transcript.seconds:.3f}")
    for claim in transcript.claims:
        suite = _suite(root, claim.id, [scenario.seconds for scenario in claim.scenarios])
        for scenario in claim.scenarios:
            _scenario(suite, claim.id, scenario)
        _count(suite)
    _sabotages(root, transcript.sabotage)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(root: ET.Element, name: str, seconds: Sequence[float]) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=name, time=f"{sum(seconds):.3f}")


def _scenario(suite: ET.Element, claim: str, scenario: Scenario) -> None:
    case = ET.SubElement(suite, "testcase", classname=claim, name=scenario.name, time=f"{scenario.seconds:.3f}")
    if scenario.failure is not None:
        kind = "failure" if scenario.verdict == REFUTED else "error"
        ET.SubElement(case, kind, message=printable(scenario.failure), type=scenario.verdict)


def _sabotages(root: ET.Element, sabotages: Sequence[Sabotage]) -> None:
    suite = _suite(root, "sabotage", [sabotage.seconds for sabotage in sabotages])
    for sabotage in sabotages:
        case = ET.SubElement(
            suite, "testcase", classname=sabotage.claim, name=sabotage.id, time=f"{sabotage.seconds:.3f}"
        )
        if not sabotage.caught:
            ET.SubElement(case, "failure", message=printable(sabotage.noticed), type="unnoticed")
    _count(suite)


def _count(suite: ET.Element) -> None:
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
