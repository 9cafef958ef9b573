"""Few lines are written about what callers can cause as often as they like."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from appliance.few_lines import FewLines

log = structlog.get_logger()


def test_lines_beyond_the_most_are_counted_in_the_next_one() -> None:
    now = 0.0
    lines = FewLines(2, 60.0, lambda: now)
    with capture_logs() as logs:
        for number in range(5):
            lines.write(log.warning, "refused", number=number)
        now = 59.0
        lines.write(log.warning, "refused", number=5)
        for now in (60.0, 61.0, 62.0, 130.0):
            lines.write(log.error, "refused", number=now)
    told = [(each["number"], each["log_level"], each.get("left_out", 0)) for each in logs]
    assert told == [(0, "warning", 0), (1, "warning", 0), (60.0, "error", 4), (61.0, "error", 0), (130.0, "error", 1)]
