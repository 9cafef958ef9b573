"""Common properties of pages: CSRF, headers and errors; records, and deletion of an organization."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime, timezone

import bottle
import pytest

from appliance.service import accounts
from appliance.service import pages as service_pages
from appliance.store import audit, times
from appliance.web import pages
from appliance.web.app import make_app
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor

PUBLIC = {re.sub(r"<\w+>", "something", page.path) for page in pages.PAGES if page.access.is_public}
PAGES = ("/machines", "/policy", "/audit", "/usage", "/settings", "/settings/people", "/settings/tokens", "/account")


def changing_paths(app: bottle.Bottle) -> list[str]:
    """Lists the paths of members' pages that take changes."""
    others = ("/api/", "/operator/")
    paths = [route.rule for route in app.routes if route.method != "GET" and not route.rule.startswith(others)]
    assert len(paths) >= 12
    return [re.sub(r"<\w+>", "something", path) for path in paths]


def sheet(answer: Answer) -> io.StringIO:
    """Reads a CSV file as a program does."""
    return io.StringIO(answer.body.decode("utf-8-sig"), newline="")


@pytest.mark.long
def test_every_change_needs_the_session_s_token(app: bottle.Bottle, owner: Visitor, hub: FakeHub) -> None:
    other = Visitor(app)
    other.sign_up("eve@example.net", "Eve")
    foreign = other.get("/machines").page.forms["/logout"]["csrf"]
    before = dict(hub.enforced)
    for path in changing_paths(app):
        ours = {"once": owner.get("/machines").page.forms["/logout"]["once"]}
        for fields in ({}, {"csrf": ""}, {"csrf": "wrong"}, {"csrf": foreign}):
            answer = owner.post(path, {"confirm": "Acme Networks", "plan": "paid", "name": "x"} | ours | fields)
            assert answer.status == 403, (path, fields)
            assert answer.headers["content-type"].startswith("text/html")
    assert hub.enforced == before
    assert owner.get("/machines").status == 200


def test_every_change_needs_a_session(app: bottle.Bottle, stranger: Visitor) -> None:
    for path in changing_paths(app):
        answer = stranger.post(path)
        if path in PUBLIC:
            assert answer.status == 403
        else:
            assert (answer.status, answer.headers["location"]) == (303, "/login")
    for path in PAGES:
        assert stranger.get(path).status == 303


def test_a_bearer_token_opens_no_page(owner: Visitor, stranger: Visitor) -> None:
    token = owner.cookies[COOKIE]
    assert stranger.ask("GET", "/machines", headers={"Authorization": f"Bearer {token}"}).status == 303


@pytest.mark.parametrize("path", ["/", "/docs/api", "/login", "/signup", "/claims", "/transcripts", *PAGES])
def test_every_page_has_its_headers_and_landmarks(owner: Visitor, stranger: Visitor, path: str) -> None:
    visitor = owner if path in PAGES else stranger
    answer = visitor.get(path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" in answer.headers
    page = answer.page
    assert all(each["src"].startswith("/static/") and "defer" in each for each in page.all("script"))
    assert not page.all("style")
    assert not any("style" in attributes for _, attributes in page.elements)
    for tag in ("main", "header", "footer", "h1", "title"):
        assert len(page.all(tag)) == 1, tag
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0]["href"] == "#main"
    identified = [each["id"] for _, each in page.elements if "id" in each]
    assert len(identified) == len(set(identified))
    labelled = {each["for"] for each in page.all("label")}
    for tag in ("input", "select"):
        for each in page.all(tag):
            assert each.get("type") == "hidden" or each["id"] in labelled
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in each for each in page.all("th"))


def test_static_files_are_named_after_their_content(stranger: Visitor) -> None:
    page = stranger.get("/").page
    for url in {each["href"] for each in page.all("link")} | {each["src"] for each in page.all("img")}:
        assert re.fullmatch(r"/static/\w+\.[0-9a-f]{12}\.\w+", url)
        answer = stranger.get(url)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith(("text/css", "image/svg+xml"))
        assert answer.body
    for url in ("/static/style.css", "/static/..%2fview.py", "/static/style.000000000000.css"):
        assert stranger.get(url).status == 404


def test_errors_are_pages_for_people_and_documents_for_programs(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("appliance.service.usage.statement", fail)
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("PUT", "/machines", 405),
        ("GET", "/logout", 405),
        ("GET", "/machines/nobody", 404),
        ("GET", "/usage", 500),
    ):
        answer = owner.ask(method, path)
        assert answer.status == status
        assert answer.headers["content-type"].lower().startswith("text/html; charset=utf-8")
        assert "content-security-policy" in answer.headers
        assert len(answer.page.all("h1")) == 1
        assert "inner workings" not in answer.text
    assert "allow" in owner.ask("PUT", "/machines").headers
    for method, path, status in (
        ("GET", "/api/v1/nowhere", 404),
        ("PUT", "/api/v1/machines", 405),
        ("GET", "/api/v1/usage", 500),
        ("POST", "/healthz", 405),
        ("POST", "/metrics", 405),
    ):
        answer = owner.ask(method, path, headers={"X-CSRF-Token": "x"})
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"csrf=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(60)), "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
        (b"a=" + b"x" * 140_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_a_foreign_form_is_refused(owner: Visitor, data: bytes, content_type: str, status: int) -> None:
    answer = owner.ask("POST", "/machines", data, headers={"Content-Type": content_type})
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "/machines?query=%ff",
        "/machines/live?group=%ff",
        "/policy?source=%ff",
        "/policy/matrix?source=%ff",
        "/?machines=%ff",
    ],
)
def test_a_page_ignores_no_unreadable_condition(owner: Visitor, path: str) -> None:
    assert owner.get(path).status == 400


@pytest.mark.parametrize("query", ["before=x", "before=%ff", "before=-1", "before=" + "9" * 30])
def test_an_invalid_query_is_refused(owner: Visitor, query: str) -> None:
    assert owner.get(f"/audit?{query}").status in (400, 422)


def test_a_damaged_cookie_gives_no_session(app: bottle.Bottle) -> None:
    for value in ("x", '"', "mws_\xe9", "a;b", ""):
        assert Visitor(app, cookies={COOKIE: value}).get("/machines").status == 303


def test_no_page_shows_marks_of_texts_for_programs(owner: Visitor, stranger: Visitor) -> None:
    for visitor, paths in (
        (owner, PAGES),
        (stranger, ("/", "/claims", "/transcripts", "/docs/api", "/signup", "/login")),
    ):
        for path in paths:
            assert "`" not in visitor.get(path).page.text, path


def test_the_audit_trail_is_exported_in_pieces(owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_pages, "LONGEST", 2)
    for number in range(12):
        owner.get("/settings")
        owner.send("/settings/name", name=f"acme {number}")
    page = owner.get("/audit").page.text
    assert "400 days" in page
    assert "200 MB" in page
    rows: list[list[str]] = []
    path: str | None = "/audit.csv"
    pieces = 0
    while path is not None:
        answer = owner.get(path)
        assert answer.headers["content-type"].startswith("text/csv")
        rows += list(csv.reader(sheet(answer)))[1:]
        link = re.fullmatch(r'<(/audit\.csv\?before=\w+)>; rel="next"', answer.headers.get("link", ""))
        path, pieces = link and link[1], pieces + 1
    assert pieces > 1
    names = [json.loads(row[4])["name"] for row in rows if row[3] == "organization.changed"]
    assert names == [f"acme {number}" for number in reversed(range(12))]
    assert len({row[0] for row in rows}) == len(rows)


def test_the_audit_trail_comes_in_pages(owner: Visitor) -> None:
    for number in range(60):
        owner.get("/settings")
        assert owner.send("/settings/name", name=f"Name {number}").status == 303
    newest = owner.get("/audit")
    assert "Name 59" in newest.page.text
    assert "founded the organization" not in newest.page.text
    older = next(each["href"] for each in newest.page.all("a") if each.get("rel") == "next")
    text = owner.get(older).page.text
    assert "founded the organization" in text
    assert "asha@example.net" in text


def test_usage_is_shown_as_a_table_and_a_file(owner: Visitor) -> None:
    owner.add_machine("one")
    assert "Machine-months" in owner.get("/usage").page.text
    answer = owner.get("/usage.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="meshwg-usage.csv"'
    rows = list(csv.DictReader(sheet(answer)))
    assert list(rows[0])[:4] == ["month", "machine_months", "amount", "currency"]
    assert (rows[0]["amount"], rows[0]["currency"], rows[0]["amount_paise"]) == ("0.00", "INR", "0")


def test_a_month_s_usage_is_listed_by_machine(site: Site, hub: FakeHub) -> None:
    def at(*date: int) -> Visitor:
        moment = datetime(*date, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]
        return Visitor(make_app(replace(site, context=replace(site.context, clock=lambda: moment)), hub.status))

    early = at(2026, 11, 25)
    early.sign_up()
    early.get("/settings")
    early.send("/settings/plan", plan="paid", confirmed="yes")
    early.add_machine("=cmd|' /C calc'!A0")
    late = at(2027, 1, 9)
    assert late.log_in("asha@example.net").status == 303
    links = [each["href"] for each in late.get("/usage").page.all("a") if "/usage/" in each["href"]]
    assert links == ["/usage/2027-01", "/usage/2026-12", "/usage/2026-11"]
    text = late.get("/usage/2026-12").page.text
    assert "349.00" in text
    assert "=cmd|' /C calc'!A0" in text
    month = late.get("/usage/2026-12.csv")
    assert month.headers["content-disposition"] == 'attachment; filename="meshwg-usage-2026-12.csv"'
    (row,) = csv.DictReader(sheet(month))
    assert row["name"] == "'=cmd|' /C calc'!A0"
    assert (row["minutes"], row["amount"], row["amount_paise"]) == (row["billed_minutes"], "349.00", "34900")
    for path in ("/usage/1999-01", "/usage/1999-01.csv", "/usage/0000-00", "/usage/x"):
        assert late.get(path).status == 404


def test_a_plan_that_does_not_cover_the_machines_is_refused(owner: Visitor) -> None:
    owner.get("/settings")
    owner.send("/settings/plan", plan="paid", confirmed="yes")
    for name in ("one", "two", "three"):
        owner.add_machine(name)
    owner.get("/settings")
    answer = owner.send("/settings/plan", plan="free", confirmed="yes")
    assert answer.status == 409
    assert "Remove some first" in answer.page.text


def test_the_organization_is_renamed(owner: Visitor) -> None:
    owner.get("/settings")
    refused = owner.send("/settings/name", name="  ")
    assert refused.status == 422
    assert owner.send("/settings/name", name="Ünited").status == 303
    assert "Ünited" in owner.get("/settings").page.text


def test_deletion_needs_the_name_and_lists_the_removed_rows(owner: Visitor, hub: FakeHub) -> None:
    owner.add_machine("one")
    owner.get("/settings")
    refused = owner.send("/settings/delete", confirm="acme")
    assert refused.status == 422
    assert 'value="acme"' in refused.text
    assert hub.enforced

    answer = owner.send("/settings/delete", confirm="Acme Networks")
    assert answer.status == 200
    assert not hub.enforced
    assert COOKIE not in owner.cookies
    text = " ".join(answer.page.text.split())
    assert "Acme Networks is deleted" in text
    counts = dict(re.findall(r'row">(.+?)</th><td class="number">(\d+)', answer.text))
    assert (counts["machines"], counts["people"]) == ("1", "1")
    assert owner.get("/machines").status == 303


def test_a_name_may_be_typed_with_decomposed_letters(stranger: Visitor) -> None:
    stranger.sign_up(organization="Zoë")
    stranger.get("/settings")
    assert stranger.send("/settings/delete", confirm="Zoe\u0308").status == 200


def test_repairs_of_the_hub_are_shown(owner: Visitor, site: Site) -> None:
    assert "The audit trail has no repair." in owner.get("/settings").text
    organization = accounts.actor_of(site.context, owner.cookies[COOKIE]).organization_id
    with site.context.store.write() as transaction:
        detail = {"found": ["route: no <b>route</b>"], "seconds": 0.031}
        audit.record(transaction, organization, "hub", audit.MENDED, detail, times.now())
    assert "route: no &lt;b&gt;route" in owner.get("/settings").text
    assert "0.031" in owner.get("/settings").text
    assert "mended damage" in owner.get("/audit").text
