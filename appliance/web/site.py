"""Objects that every handler works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.service import Context
from appliance.service.transcripts import PublishedRuns
from appliance.web.answer_cache import AnswerCache
from appliance.web.demonstration import Demonstration
from appliance.web.limits import RateLimits
from appliance.web.posts import Posts
from appliance.web.response import Response


@dataclass(frozen=True)
class SecurityReports:
    """Contact for reports of weaknesses, and place of advisories, as the operator set them.

    Attributes:
        contact: URI; None if the operator named none.
        advisories: URL of the page with advisories; None if there is none.
    """

    contact: str | None = None
    advisories: str | None = None


@dataclass(frozen=True)
class Site:
    """Objects that every handler works with.

    Attributes:
        limits: rate limits.
        published: published runs of the gate.
        demo: the demonstration, if one runs.
        security: where weaknesses are reported and told.
        form_posts: forms that are answered once, however often they are sent.
        call_posts: strangers' API calls with an Idempotency-Key.
    """

    context: Context
    limits: RateLimits
    published: PublishedRuns
    demo: Demonstration = field(default_factory=Demonstration)
    security: SecurityReports = SecurityReports()
    answers: AnswerCache = field(default_factory=AnswerCache)
    form_posts: Posts[Response, Any] = field(default_factory=Posts)
    call_posts: Posts[Response, Any] = field(default_factory=Posts)
