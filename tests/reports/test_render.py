"""The page of a run has every measurement, and says in words what the run was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from harness.paths import ROOT
from reports import texts
from reports.render import html
from reports.schema import Claim, MutantVerdict, Place, SabotageVerdict, Transcript
from tests import properties
from tests.reports.pages import HOSTILE, Page, flat
from tests.reports.samples import SOFTWARE, claim, run, scenario, transcripts

CHANCES = {"value": 0, "unit": "packets", "limit": 0, "of": 12_000}


def test_a_run_of_another_hub_names_it_and_shows_no_sabotage() -> None:
    page = Page(html(replace(run(claim("one-hub")), hub=HOSTILE, sabotage=[])))
    assert flat(HOSTILE) in page.said
    assert page.shape == Page(html(replace(run(claim("one-hub")), hub="my:Hub", sabotage=[]))).shape
    assert "measured on another hub" in page.said
    assert "the real service" not in page.said
    assert "of these breaks" not in page.said
    own = Page(html(run(claim("one-hub")))).said
    assert "the real service" in own
    assert "of these breaks" in own
    assert "another hub" not in own


def test_links_lead_to_the_claims() -> None:
    made = run(claim("one-hub"), claim("a b\"'<c>"))
    page = Page(html(made))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert links == [f"#{each.id}" for each in made.claims]
    assert {f"#{each}" for each in ids} >= set(links)
    assert len(ids) == len(set(ids))


def test_the_page_has_every_result() -> None:
    made = run(
        claim(
            "one-hub", scenario("test_passes_the_hub", measured={"pings": 12345, "took": {"value": 0.25, "unit": "s"}})
        ),
        claim(
            "no-egress",
            scenario(
                "test_goes_nowhere",
                "refuted",
                title="Nothing gets out.",
                failure="3 packets got out",
                rerun="./meshwg gate --claim no-egress --seed 7",
                evidence=["test_goes_nowhere/hub.addresses.txt"],
                controls=["held: it would be seen"],
                measured={"leaked": {"value": 3, "unit": "packets", "limit": 0}},
            ),
            scenario("test_other", "inconclusive", failure="the lab was too slow"),
            verdict="refuted",
        ),
        Claim("edge-names", "inconclusive", [], "Names are data."),
        environment={"kernel": "6.1.0-test", "cpus": 2},
        sabotage=[
            SabotageVerdict(
                "open-door", "no-egress", caught=False, broke="the door is open", noticed="nothing was said"
            ),
            SabotageVerdict("leak", "one-hub", caught=True, broke="there is a leak", noticed="1 packet leaked"),
        ],
        verdict="fail",
        problems=["no-egress is refuted.", "edge-names has no scenario."],
    )
    said = Page(html(made)).said
    expected: list[Any] = [
        "The gate does not pass",
        "1 of 3 claims proven by 3 scenarios",
        "1 of 2 sabotages noticed",
        *made.problems,
        *(each.claim for each in made.claims),
        *(f"{each.verdict} · {each.claim}" for each in made.claims),
        *(each.id for each in made.claims),
        "started 2026-03-01T12:30:59Z",
        "took 48.2 s",
        "profile quick",
        "seed 271828",
        "kernel 6.1.0-test",
        "cpus 2",
        "test_passes_the_hub",
        f"pings {texts.figure(12345)}",
        "took 250 ms",
        "Nothing gets out.",
        "3 packets got out",
        "./meshwg gate --claim no-egress --seed 7",
        "test_goes_nowhere/hub.addresses.txt",
        "held: it would be seen",
        "leaked 3 packets 0",
        "test_other",
        "the lab was too slow",
        "the door is open no nothing was said",
        "there is a leak yes 1 packet leaked",
    ]
    missing = [each for each in expected if flat(each) not in said]
    assert missing == []


def test_what_holds_is_folded_and_what_does_not_is_open() -> None:
    made = run(
        claim("one-hub", scenario(), scenario("test_stops", "refuted"), verdict="refuted"),
        claim("no-egress"),
        sabotage=[
            SabotageVerdict("leak", "one-hub", caught=False),
            SabotageVerdict("way-out", "no-egress", caught=True),
            SabotageVerdict("guess", "sign-in", caught=False),
        ],
    )
    folds = ["open" in attributes for tag, attributes in Page(html(made)).tags if tag == "details"]
    # The refuted claim, its proven and its refuted scenario, its sabotages; the proven claim, its scenario and its
    # sabotages; sabotages of a claim that the run did not look at; three about the run.
    assert folds == [True, False, True, True, False, False, False, True, False, False, False]


def test_the_page_has_each_mutant_with_its_verdict() -> None:
    noticed = MutantVerdict("vault/a.py:3:number:1", "vault", "noticed", "f", "a = 1", "a = 2", "t.py::test: no")
    survived = MutantVerdict("vault/a.py:4:number:1", "vault", "survived", "f", "b = 1", "b = 2")
    for mutants, summary, is_open in (
        ([noticed], "1 of 1 mutant noticed", False),
        ([noticed, survived], "1 of 2 mutants noticed, 1 survived", True),
    ):
        page = Page(html(run(mutants=mutants)))
        assert summary in page.said
        assert "noticed a = 1 → a = 2 vault/a.py:3:number:1 t.py::test: no" in page.said
        assert ("survived b = 1 → b = 2 vault/a.py:4:number:1" in page.said) is is_open
    assert "Mutants" not in Page(html(run())).said


def test_a_claim_is_named_beside_its_bound_and_sabotages() -> None:
    bounded = replace(claim("one-hub"), bound="leaked: 0 of 12000 packets")
    said = Page(html(run(bounded, claim("no-egress")))).said
    assert "proven · The sentence of one-hub. leaked: 0 of 12000 packets one-hub : 1 scenario in" in said
    assert "proven · The sentence of no-egress. no-egress : 1 scenario in" in said
    assert said.count("1 of 1 sabotage noticed") == 2


def test_a_shared_link_has_a_title_and_a_description() -> None:
    def shared(made: Transcript) -> dict[str | None, str | None]:
        page = Page(html(made))
        names = (attributes for tag, attributes in page.tags if tag == "meta")
        return {each.get("property", each.get("name")): each.get("content") for each in names}

    found = shared(run(claim("one-hub"), claim("no-egress", verdict="refuted"), verdict="fail"))
    assert found["og:title"] == "The gate does not pass: 1 of 2 claims proven"
    assert found["og:description"] == found["description"]
    assert found["description"] == "1 of 2 claims proven, 2 of 2 sabotages noticed, 2026-03-01T12:30:59Z."
    other = shared(run(claim("one-hub"), hub="my:Hub", sabotage=[]))
    assert other["description"] == "1 of 1 claims proven, 2026-03-01T12:30:59Z."
    assert other["og:title"] == "The gate passes: 1 of 1 claims proven"


def test_the_page_has_the_colours_of_the_site() -> None:
    palette = (ROOT / "reports" / "templates" / "palette.css").read_text()
    site = (ROOT / "appliance" / "web" / "pages" / "static" / "style.css").read_text()
    assert site.startswith(palette)
    assert palette in Page(html(run())).style


def test_a_run_that_passes_says_so() -> None:
    said = Page(html(run(claim("one-hub")))).said
    assert "The gate passes : 1 of 1 claims proven by 1 scenarios; 1 of 1 sabotages noticed." in said
    assert "does not pass" not in said
    assert "part of the claims" not in said


def test_a_run_of_some_claims_names_those_left_out() -> None:
    said = Page(html(run(claim("one-hub"), left_out=["no-egress", "sign-in"]))).said
    assert "It says nothing of no-egress , sign-in ." in said


def test_the_page_names_options_that_were_not_the_usual_ones() -> None:
    told = run(claim("one-hub"), options={"patience": "10", "mutants": "0"})
    assert "Its options were --patience 10 --mutants 0." in Page(html(told)).said
    assert "Its options" not in html(run(claim("one-hub"))) + html(run(claim("one-hub"), options=None))


@pytest.mark.parametrize(
    ("facts", "is_told"),
    [
        ({}, True),
        ({"options": {"mutants": "0"}}, True),
        ({"mutants": [MutantVerdict("m1", "vault", "noticed")]}, False),
        ({"elsewhere": True}, False),
        ({"hub": "my:Hub"}, False),
    ],
)
def test_a_run_without_mutants_says_so(facts: dict[str, Any], is_told: bool) -> None:
    page = Page(html(run(claim("one-hub"), **facts)))
    assert ("No automatic break (mutant) was tried." in page.said) is is_told
    assert ("noticed" in page.said.partition("Mutants")[2]) is bool(facts.get("mutants"))


def test_a_quick_run_says_how_many_sabotages_it_left() -> None:
    said = Page(html(run(claim("one-hub"), untried=["leak", "flush"]))).said
    assert "It left 2 to runs with other seeds" in said
    assert "other seeds" not in Page(html(run(claim("one-hub")))).said


@pytest.mark.long
@given(transcripts)
@properties.examples(50)
def test_every_figure_of_any_run_is_on_the_page(made: Transcript) -> None:
    said = Page(html(made)).said
    for each in made.claims:
        for one in each.scenarios:
            for name, value in one.measured.items():
                row = f"{flat(name)} {flat(texts.figure(value))} {flat(texts.limit(value))}"
                assert flat(row) in said


def test_a_count_of_none_says_among_how_many() -> None:
    page = Page(html(run(claim("one-hub", scenario(measured={"late": CHANCES})))))
    assert " ".join(texts.figure(CHANCES).split()) in page.said
    assert "19 of 20 such runs" in page.said


def test_the_page_names_conditions_of_scenarios_and_sabotages() -> None:
    shown = replace(scenario(), conditions={"outside": "IPv6", "store": "SQLite"})
    broken = SabotageVerdict("break", "one-hub", caught=True, conditions={"outside": "IPv4"})
    page = Page(html(run(claim("one-hub", shown), sabotage=[broken])))
    assert "Conditions: outside IPv6; store SQLite" in page.said
    assert "(outside IPv4)" in page.said
    assert "Conditions" not in Page(html(run())).said


def test_the_page_says_what_is_not_known_of_what_was_tested() -> None:
    def said(**facts: Any) -> str:
        return Page(html(run(signed_by="9" * 64, **facts))).said

    unknown = replace(SOFTWARE, tree=None, commit=None, git_tree=None, unknown="git is not installed.")
    assert "files not known. git is not installed." in said(tested=unknown)
    assert "--tree" not in said(tested=unknown)
    assert "The transcript does not say of which files and packages the run was." in said()
    changed = replace(SOFTWARE, git_tree=None)
    assert "with changes that are not committed" in said(tested=changed)
    assert "with changes that are not committed" not in said(tested=SOFTWARE)
    altered = replace(SOFTWARE, altered=["cryptography"])
    assert "altered packages cryptography: files of them are others than were installed" in said(tested=altered)
    assert "The service ran elsewhere already, and these digests say nothing of it" in said(
        tested=SOFTWARE, elsewhere=True
    )
    assert "The hub is another project's, and these digests say nothing of it" in said(tested=SOFTWARE, hub="a:B")


def test_the_page_says_whether_the_run_is_in_a_log() -> None:
    logged = Page(html(run(tested=SOFTWARE, signed_by="9" * 64, log=Place("meshwg-gate/1/2", 7, 5)))).said
    assert "key sha256:" + "9" * 64 in logged
    assert "log of runs meshwg-gate/1/2 , begun as entry 5, ended as entry 7" in logged
    assert "--log FOLDER-OF-THE-LOG" in logged
    outside = Page(html(run(tested=SOFTWARE, signed_by="9" * 64))).said
    assert "log of runs none" in outside
    assert "--log" not in outside
