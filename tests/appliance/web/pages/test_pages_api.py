"""The page that describes the API: public, complete, and made from the OpenAPI document."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web.api import ROUTES
from appliance.web.pages.words import code_parts
from tests.appliance.web.pages.visitor import Visitor


def test_every_call_is_described_without_a_session(stranger: Visitor) -> None:
    answer = stranger.get("/docs/api")
    assert answer.status == 200
    text = answer.page.text
    for row in ROUTES:
        assert f"{row.method} {row.path}" in text
        assert row.summary in text


def test_inputs_and_refusals_of_a_call_are_shown(stranger: Visitor) -> None:
    text = " ".join(stranger.get("/docs/api").page.text.split())
    assert "integer, 1 to 1000" in text
    assert "string, 10 to 1024 characters" in text
    assert "string, at most 500 characters" in text
    assert 'For example "branch-mumbai"' in text
    assert "allow or deny" in text
    assert "urn:meshwg:problem:plan-limit" in text


def test_a_call_with_lists_says_so(stranger: Visitor) -> None:
    text = " ".join(stranger.get("/docs/api").page.text.split())
    for row in ROUTES:
        told = text.partition(f"{row.method} {row.path} {row.summary.replace('`', '')}.")[2].partition("Refusals")[0]
        taken, _, given = told.partition("Gives ")
        answer = f", {'list of ' * row.is_list}{row.answer.__name__}" if row.answer else ""
        assert given.strip() == f"{row.status}{answer}."
        assert ("body: list of" in taken) == (row.is_list and row.body is not None), row.path


def test_code_in_descriptions_is_marked_as_code(stranger: Visitor) -> None:
    answer = stranger.get("/docs/api")
    assert "`" not in answer.page.text
    for code in ("machine:&lt;id&gt;", "urn:meshwg:problem:plan-limit", "Authorization: Bearer", "next", "link"):
        assert f"<code>{code}</code>" in answer.text, code


@given(st.lists(st.tuples(st.sampled_from(["", "`", "``"]), st.text("ab<&>\"' ", min_size=1))))
def test_a_description_is_split_into_words_and_code(parts: list[tuple[str, str]]) -> None:
    text = " ".join(f"{mark}{part}{mark}" for mark, part in parts)
    told = code_parts(text)
    assert "".join(part for _, part in told) == text.replace("`", "")
    assert [part for is_code, part in told if is_code] == [part for mark, part in parts if mark]


@pytest.mark.parametrize("text", ["an odd ` mark", "``", "`", "an odd `` mark"])
def test_an_unclosed_code_mark_is_plain_text(text: str) -> None:
    assert code_parts(text) == [(False, text)]


def test_links_lead_somewhere_and_no_script_is_needed(stranger: Visitor) -> None:
    page = stranger.get("/docs/api").page
    identified = {each["id"] for _, each in page.elements if "id" in each}
    pointed_at = {each["href"][1:] for each in page.all("a") if each["href"].startswith("#")}
    assert pointed_at <= identified
    assert len(pointed_at) > 40
    assert all(each["src"].startswith(("/static/once.", "/static/times.")) for each in page.all("script"))


def test_every_page_links_to_the_api_page(stranger: Visitor) -> None:
    assert any(each["href"] == "/docs/api" for each in stranger.get("/").page.all("a"))
