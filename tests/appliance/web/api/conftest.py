"""Fixtures and helpers of the tests of the API."""

from __future__ import annotations

from tests.appliance.web.client import Response


def assert_problem(response: Response, status: int) -> None:
    """Asserts that this is a problem document with the status."""
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json["status"] == status
    assert response.json["title"]
    assert response.json["detail"]
