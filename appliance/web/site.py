"""Objects that every handler works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.service import Context
from appliance.service.transcripts import PublishedRuns
from appliance.web.answers import Answers
from appliance.web.limits import RateLimits
from appliance.web.posts import Posts
from appliance.web.response import Response


@dataclass(frozen=True)
class Site:
    """Objects that every handler works with.

    Attributes:
        form_posts: forms of pages that may come twice.
        call_posts: strangers' calls with an Idempotency-Key, which may as well.
    """

    context: Context
    limits: RateLimits
    published: PublishedRuns
    answers: Answers = field(default_factory=Answers)
    form_posts: Posts[Response, Any] = field(default_factory=Posts)
    call_posts: Posts[Response, Any] = field(default_factory=Posts)
