"""Work that nothing can go on without: tried until it is done, or the hub is to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from appliance.hub.errors import HubError, log_error
from appliance.model.errors import Unavailable

T = TypeVar("T")


def tried_until_done(
    work: Callable[[], T], ending: threading.Event, complaint: str, first_pause_s: float, longest_pause_s: float
) -> T | None:
    """Do some work, again and again until it does not fail; each pause is twice as long as the one before.

    Args:
        ending: ends the attempts when it is set.
        complaint: logged with each error.
        first_pause_s, longest_pause_s: pauses between attempts, in seconds.

    Returns:
        The work's result; None if it was not done before the end.
    """
    pause = first_pause_s
    while not ending.is_set():
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - it is logged; whoever gave up would own what it does not restore
            log_error(complaint, error, (HubError, Unavailable), again_in=pause)
        ending.wait(pause)
        pause = min(2 * pause, longest_pause_s)
    return None
