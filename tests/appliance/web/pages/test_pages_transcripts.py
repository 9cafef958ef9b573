"""Public pages of claims and of published runs."""

from __future__ import annotations

from pathlib import Path

from appliance.model.claims import PUBLISHED
from appliance.web.site import Site
from tests.appliance.published import written
from tests.appliance.web.pages.visitor import Visitor


def test_every_claim_is_published_with_its_last_verdict(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    before = stranger.get("/claims")
    assert all(claim.sentence in before.page.text for claim in PUBLISHED)
    assert before.page.text.count("no run published") == len(PUBLISHED)
    assert "published no run" in stranger.get("/transcripts").page.text
    run = site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z", "refuted"))
    after = stranger.get("/claims").page
    assert after.text.count("no run published") == len(PUBLISHED) - 2
    assert after.text.count("refuted") == 2
    links = [each["href"] for each in after.all("a")]
    assert links.count(f"/transcripts/{run.id}/transcript.html") == 2


def test_a_run_is_served_unchanged_and_its_page_sandboxed(site: Site, stranger: Visitor, tmp_path: Path) -> None:
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
    policy = stranger.get(f"/transcripts/{run.id}/transcript.html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_an_unpublished_file_is_not_served(stranger: Visitor) -> None:
    for path in ("/transcripts/20260301T120000Z-abc/transcript.html", "/transcripts/..%2Fstore/meshwg.sqlite"):
        assert stranger.get(path).status == 404
