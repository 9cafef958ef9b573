"""Language of the pages: chosen by the reader, otherwise the browser's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import bottle
import pytest

from appliance import languages
from appliance.model.organization import Role
from appliance.model.sign_up import SignUpMode
from appliance.service import accounts
from appliance.web.app import make_app
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Answer, Visitor
from tests.browser.pseudo import Pseudo

LANGUAGE = "__Host-meshwg-language"


def language_of(answer: Answer) -> str:
    """Reads the language of a page, which its header names too."""
    assert answer.headers["content-language"] == answer.page.all("html")[0]["lang"]
    assert answer.headers["vary"] == "Accept-Language, Cookie"
    return answer.headers["content-language"]


def page_of_choice(answer: Answer) -> str | None:
    """Reads the page that a choice of language leads back to; None if the page offers no choice."""
    fields = {each.get("name"): each.get("value") for each in answer.page.all("input")}
    assert ("next" in fields) is any(each["action"] == "/language" for each in answer.page.all("form"))
    return fields.get("next")


@pytest.mark.parametrize("path", ["/", "/login", "/static/nothing.css", "/nowhere", "/operator", "/claims?machines=1"])
def test_a_page_is_in_the_browser_s_language(stranger: Visitor, path: str) -> None:
    assert language_of(stranger.ask("GET", path, headers={"Accept-Language": "hi-IN"})) == "hi"
    assert language_of(stranger.get(path)) == "en"


def test_a_reader_chooses_a_language_and_comes_back(owner: Visitor) -> None:
    assert page_of_choice(owner.get("/machines?query=a%20b")) == "/machines?query=a%20b"
    answer = owner.get("/language?language=hi&next=%2Fmachines%3Fquery%3Da%2520b")
    assert (answer.status, answer.headers["location"]) == (303, "/machines?query=a%20b")
    cookie = answer.cookies[LANGUAGE]
    assert (cookie["path"], cookie["secure"], cookie["httponly"], cookie["samesite"]) == ("/", True, True, "lax")
    page = owner.get("/audit")
    assert language_of(page) == "hi"
    assert 'aria-label="भाषा"' in page.text
    assert language_of(owner.ask("GET", "/audit", headers={"Accept-Language": "en-IN"})) == "hi"
    owner.get("/language?language=en")
    assert language_of(owner.ask("GET", "/audit", headers={"Accept-Language": "hi"})) == "en"


def language_of_letters(site: Site, visitor: Visitor) -> str | None:
    """Finds the language of letters to a visitor who is signed in."""
    return accounts.member_of(site.context, accounts.actor_of(site.context, visitor.cookies[COOKIE])).language


def test_letters_follow_a_member_s_choice(site: Site, owner: Visitor, colleague: Callable[[Role], Visitor]) -> None:
    other = colleague(Role.VIEWER)
    owner.get("/language?language=hi")
    assert (language_of_letters(site, owner), language_of_letters(site, other)) == ("hi", None)
    owner.ask("GET", "/language?language=en", headers={"Sec-Fetch-Site": "cross-site"})
    owner.get("/language?language=fr")
    assert language_of_letters(site, owner) == "hi"
    other.get("/language?language=en-IN")
    assert (language_of_letters(site, owner), language_of_letters(site, other)) == ("hi", "en-IN")


def test_letters_are_in_the_language_of_the_sign_up(site: Site, app: bottle.Bottle, owner: Visitor) -> None:
    founder, member = Visitor(app), Visitor(app)
    for each in (founder, member):
        each.get("/language?language=hi")
    founder.get("/signup")
    founder.send("/signup", email="b@example.net", password=PASSWORD, organization="acme")
    owner.get("/settings/people")
    invited = owner.send("/settings/people", email="ravi@example.net", role="viewer")
    link = "/join/" + invited.page.text.partition("/join/")[2].split()[0]
    member.get(link)
    member.send(link, password=PASSWORD)
    assert [language_of_letters(site, each) for each in (founder, member, owner)] == ["hi", "hi", "en"]


def test_a_letter_before_the_sign_up_is_in_its_language(site: Site, hub: FakeHub) -> None:
    verified = replace(site, context=replace(site.context, sign_up=SignUpMode.VERIFIED, sends_mail=True))
    visitor = Visitor(make_app(verified, hub.status))
    visitor.get("/language?language=hi")
    visitor.get("/signup")
    visitor.send("/signup/letter", email="a@example.net")
    (letter,) = delivered(verified.context)
    assert letter.subject == "MeshWG पर साइन अप"


@pytest.mark.parametrize("page", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/\r\nX: y"])
def test_a_choice_leads_to_no_other_site(stranger: Visitor, page: str) -> None:
    answer = stranger.ask("GET", f"/language?language=hi&next={page}".replace("\r\n", "%0d%0a"))
    assert (answer.status, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
def test_another_site_can_t_choose_the_language(stranger: Visitor, origin: str) -> None:
    answer = stranger.ask("GET", "/language?language=hi", headers={"Sec-Fetch-Site": origin})
    assert answer.status == 403
    assert LANGUAGE not in stranger.cookies


@pytest.mark.parametrize("language", ["fr", "", "../hi", "HI"])
def test_a_language_without_pages_is_refused(stranger: Visitor, language: str) -> None:
    assert stranger.get(f"/language?language={language}").status == 404
    stranger.cookies[LANGUAGE] = language
    assert language_of(stranger.get("/login")) == "en"


def test_no_problem_page_offers_a_choice(stranger: Visitor) -> None:
    assert page_of_choice(stranger.get("/nowhere")) is None


def test_the_answer_to_a_form_offers_no_choice(owner: Visitor) -> None:
    assert page_of_choice(owner.add_machine("one")) is None
    assert page_of_choice(owner.get("/machines")) == "/machines"


def test_a_part_in_another_language_is_another_version(owner: Visitor) -> None:
    owner.add_machine("one")
    first = owner.get("/machines/live")
    assert first.headers["vary"] == "Accept-Language, Cookie"
    same = owner.ask("GET", "/machines/live", headers={"If-None-Match": first.headers["etag"]})
    assert (same.status, same.headers["vary"]) == (304, "Accept-Language, Cookie")


def test_refusals_and_notices_are_in_the_reader_s_language(owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo = replace(languages.loaded()["hi"], translations=Pseudo())
    monkeypatch.setitem(languages.loaded(), "hi", pseudo)
    owner.get("/language?language=hi")
    owner.add_machine("<b>one</b>")
    refused = owner.add_machine("<b>one</b>")
    assert refused.status == 409
    assert "⟦A machine called &#34;&lt;b&gt;one&lt;/b&gt;&#34; exists already.⟧" in refused.text
    empty = owner.add_machine(" ")
    assert "⟦The ⟦name⟧ is empty.⟧" in empty.text
    owner.get("/settings")
    owner.send("/settings/name", name="Two")
    assert "⟦The organization has its new name.⟧" in owner.get("/settings").text


def test_a_refusal_of_the_api_is_english(owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo = replace(languages.loaded()["hi"], translations=Pseudo())
    monkeypatch.setitem(languages.loaded(), "hi", pseudo)
    answer = owner.ask("GET", "/api/v1/machines/nobody", headers={"Accept-Language": "hi"})
    assert "This organization has no machine 'nobody'." in answer.text
    assert "content-language" not in answer.headers
