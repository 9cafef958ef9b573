"""Transcripts as JUnit XML, for programs that read no other format."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET  # it writes XML, and reads none  # nosec B405

from reports.schema import MutantVerdict, Transcript, Verdict
from reports.texts import printable

_FAULTS: dict[str, str] = {Verdict.PROVEN: "", Verdict.REFUTED: "failure"}


def junit(transcript: Transcript) -> bytes:
    """Writes a transcript as JUnit XML: a suite for each claim, for sabotages, for mutants, and for the verdict.

    A case fails exactly if its scenario is not proven, its sabotage or mutant went unnoticed, or the gate did not pass.
    A mutant without a verdict is skipped. The last case alone fails if a claim has no scenario.

    Args:
        transcript: the run.

    Returns:
        The XML document in UTF-8.
    """
    root = ET.Element("testsuites", name="meshwg gate", time=f"{transcript.seconds:.3f}")
    for claim in transcript.claims:
        cases = []
        for one in claim.scenarios:
            fault = _FAULTS.get(one.verdict, "error")
            cases.append(_case(claim.id, one.name, one.seconds, fault, one.verdict, one.failure or ""))
        _add_suite(root, claim.id, cases)
    cases = []
    for sabotage in transcript.sabotage:
        fault = "" if sabotage.caught else "failure"
        cases.append(_case(sabotage.claim, sabotage.id, sabotage.seconds, fault, "unnoticed", sabotage.noticed))
    _add_suite(root, "sabotage", cases)
    if transcript.mutants:
        _add_suite(root, "mutants", [_mutant(each) for each in transcript.mutants])
    fault = "" if transcript.verdict == "pass" else "failure"
    _add_suite(root, "gate", [_case("gate", "verdict", 0.0, fault, transcript.verdict, "\n".join(transcript.problems))])
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _mutant(mutant: MutantVerdict) -> ET.Element:
    fault = {"survived": "failure", "undecided": "skipped"}.get(mutant.verdict, "")
    words = f"{mutant.was} → {mutant.becomes} {mutant.words}"
    return _case(mutant.part, mutant.id, mutant.seconds, fault, mutant.verdict, words)


def _case(claim: str, name: str, seconds: float, fault: str, kind: str, message: str) -> ET.Element:
    case = ET.Element("testcase", classname=printable(claim), name=printable(name), time=f"{seconds:.3f}")
    if fault:
        ET.SubElement(case, fault, message=printable(message), type=printable(kind))
    return case


def _add_suite(root: ET.Element, name: str, cases: Sequence[ET.Element]) -> None:
    seconds = sum(float(case.attrib["time"]) for case in cases)
    suite = ET.SubElement(root, "testsuite", name=printable(name), time=f"{seconds:.3f}", tests=str(len(cases)))
    for count, fault in (("failures", "failure"), ("errors", "error")):
        suite.set(count, str(sum(case.find(fault) is not None for case in cases)))
    suite.extend(cases)
