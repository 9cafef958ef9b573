"""Public pages of claims and of published runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from appliance.model.claims import PUBLISHED
from appliance.service.transcripts import NEWEST
from appliance.web.site import Site
from tests.appliance.published import ALL, BOUND, written
from tests.appliance.web.pages.visitor import Visitor


@pytest.mark.parametrize("path", ["/", "/claims"])
def test_every_claim_is_published_with_its_last_verdict(
    site: Site, stranger: Visitor, tmp_path: Path, path: str
) -> None:
    before = stranger.get(path)
    assert all(claim.sentence in before.page.text for claim in PUBLISHED)
    assert before.page.text.count("no published run yet") == len(PUBLISHED)
    assert "published no run" in stranger.get("/transcripts").page.text
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z", "refuted"))
    after = stranger.get(path).page
    assert after.text.count("no published run yet") == len(PUBLISHED) - 2
    assert after.text.count("refuted") >= 2
    assert after.text.count(BOUND) == 2
    links = [each["href"] for each in after.all("a")]
    for claim in ALL:
        assert links.count(f"/transcripts/{run.id}/transcript.html#{claim}") == 1
    assert [each for each in links if each.startswith("/claims/")] == [f"/claims/{claim.id}" for claim in PUBLISHED]


def test_each_claim_has_a_page_with_its_proof(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    for claim in PUBLISHED:
        page = stranger.get(f"/claims/{claim.id}").page
        assert claim.sentence in page.text
        assert all(way in page.text for way in claim.ways)
        assert "No published run yet" in page.text
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    page = stranger.get(f"/claims/{ALL[0]}").page
    said = " ".join(page.text.split())
    for words in (BOUND, "proven: It holds.", "held: it is <seen> before", "2026-03-01", "quick"):
        assert words in said.replace(" :", ":").replace(" .", "."), words
    assert re.search("the door is open ?yes", said)
    assert re.search("nobody looks ?no", said)
    assert f"/transcripts/{run.id}/transcript.html#{ALL[0]}" in [each["href"] for each in page.all("a")]
    other = stranger.get(f"/claims/{ALL[1]}").page
    assert "the door is open" not in other.text
    for path in ("/claims/nothing", "/claims/..%2Fno-egress", "/claims/<b>"):
        answer = stranger.get(path)
        assert answer.status == 404
        assert "<b>" not in answer.text


def test_a_run_has_a_card_that_other_sites_may_show(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    failed = site.published.publish(written(tmp_path / "out", "2026-03-02T12:00:00Z", "refuted"))
    for each, verdict, proven in ((run, "The gate passes", 2), (failed, "The gate does not pass", 0)):
        answer = stranger.get(f"/transcripts/{each.id}/card.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        said = [element.text for element in ElementTree.fromstring(answer.body).iter() if element.text]  # noqa: S314
        assert {"MeshWG", verdict, f"{proven} of 2 claims proven", "1 of 2 sabotages noticed"} <= set(said)
        assert f"transcript of {each.day}" in said
    assert stranger.get("/transcripts/20260301T120000Z-none/card.svg").status == 404
    assert stranger.get("/transcripts/..%2Fstore/card.svg").status == 404
    assert f"/transcripts/{failed.id}/card.svg" in [
        each["src"] for each in stranger.get("/transcripts").page.all("img")
    ]


def test_a_run_is_served_unchanged_and_sandboxed(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    listed = stranger.get("/transcripts").page
    assert "2 of 2" in listed.text
    assert "1 of 2" in listed.text
    for name in run.files:
        path = f"/transcripts/{run.id}/{name}"
        assert path in [each["href"] for each in listed.all("a")]
        answer = stranger.get(path)
        assert (answer.status, answer.body) == (200, site.published.file(run.id, name))
        assert answer.headers["x-content-type-options"] == "nosniff"
        # Also the XML, which could contain a page.
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"sandbox", "default-src 'none'"} <= set(policy), name
        assert "script-src" not in "".join(policy)


def test_the_newest_of_many_runs_are_listed(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    assert "older ones stay" not in stranger.get("/transcripts").page.text
    for number in range(NEWEST):
        shutil.copytree(site.published.folder / run.id, site.published.folder / f"20270101T{number:06}Z-copy")
    page = stranger.get("/transcripts").page
    assert f"The newest {NEWEST}; older ones stay at their addresses." in page.text
    listed = [each["href"] for each in page.all("a") if each["href"].endswith("/transcript.html")]
    assert len(listed) == NEWEST
    assert f"/transcripts/{run.id}/transcript.html" not in listed
    assert stranger.get(f"/transcripts/{run.id}/transcript.html").status == 200


def test_no_file_of_an_unreadable_run_is_served(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z")).id
    path = f"/transcripts/{run}/transcript.html"
    assert stranger.get(path).status == 200
    # Operators see no such run, and could not withdraw it.
    (site.published.folder / run / "transcript.json").write_bytes(b"{")
    assert stranger.get(path).status == 404


def test_an_unpublished_file_is_not_served(stranger: Visitor) -> None:
    for path in ("/transcripts/20260301T120000Z-abc/transcript.html", "/transcripts/..%2Fstore/meshwg.sqlite"):
        assert stranger.get(path).status == 404


def test_a_link_to_the_runs_is_shown_with_the_newest_card(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    assert "og:image" not in stranger.get("/transcripts").text
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    address = f"{site.context.site}/transcripts/{run.id}/card.png"
    assert f'<meta property="og:image" content="{address}">' in stranger.get("/transcripts").text
    answer = stranger.get(f"/transcripts/{run.id}/card.png")
    assert (answer.headers["content-type"], answer.body[:4]) == ("image/png", b"\x89PNG")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    # A run from before there were such cards.
    (site.published.folder / run.id / "card.png").unlink()
    assert "og:image" not in stranger.get("/transcripts").text


def test_a_run_has_a_page_whose_link_shows_its_own_card(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    older = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    newer = site.published.publish(written(tmp_path / "out", "2026-03-02T12:00:00Z", "refuted"))
    listed = [each["href"] for each in stranger.get("/transcripts").page.all("a")]
    for run, headline, verdict in ((older, "The gate passes", "proven"), (newer, "The gate does not pass", "refuted")):
        assert f"/transcripts/{run.id}" in listed
        answer = stranger.get(f"/transcripts/{run.id}")
        address = f"{site.context.site}/transcripts/{run.id}/card.png"
        assert f'<meta property="og:image" content="{address}">' in answer.text
        assert headline in answer.page.text
        assert f"{run.proven} of 2 claims proven" in answer.text
        assert answer.page.text.count(verdict) >= 2
        links = [each["href"] for each in answer.page.all("a")]
        assert {f"/transcripts/{run.id}/{name}" for name in run.files} <= set(links)
        assert [each for each in links if "#" in each and run.id in each] == [
            f"/transcripts/{run.id}/transcript.html#{claim.id}" for claim in run.transcript.claims
        ]
    for unknown in ("20260301T120000Z-none", "..%2Fstore"):
        assert stranger.get(f"/transcripts/{unknown}").status == 404
