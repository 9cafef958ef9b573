"""Catalogue of all sabotages."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from harness.sabotage import calibrated
from harness.sabotage.catalogue_healing import HEALING
from harness.sabotage.catalogue_isolation import ISOLATION
from harness.sabotage.catalogue_policy import POLICY
from harness.sabotage.catalogue_signin import SIGN_IN
from harness.sabotage.catalogue_standing import STANDING
from harness.sabotage.catalogue_state import STATE
from harness.sabotage.catalogue_traffic import TRAFFIC
from harness.sabotage.catalogue_ways import WAYS
from harness.subject.turnedclock import TURNED

SABOTAGES = TRAFFIC + ISOLATION + POLICY + STANDING + HEALING + STATE + SIGN_IN + WAYS
BY_ID = {sabotage.id: sabotage for sabotage in SABOTAGES}

RELEASES = {
    "open-port": "older:open_a_port",
    "other-layout": "older:lay_out_otherwise",
    "other-frame": "older:frame_otherwise",
}
"""Older releases of the hub's compiler: their names, and the functions that make today's one of them."""
_RELEASES = RELEASES | {TURNED: "clocks:turn"}
"""Also the service whose clocks a scenario turns."""


def check(sabotage: str) -> None:
    """Checks the id of a sabotage, or the name of an older release.

    Raises:
        ValueError: there is none of this id, or its value is out of bounds; the message is one sentence.
    """
    if sabotage not in BY_ID | _RELEASES and calibrated.parse(sabotage) is None:
        raise ValueError(f"There is no sabotage {sabotage!r}.")


def function_of(sabotage: str) -> Callable[[], None]:
    """Returns the function that puts a sabotage, or parts of an older release, into the service.

    It imports the appliance.

    Raises:
        ValueError: there is none of this id, or its value is out of bounds; the message is one sentence.
    """
    check(sabotage)
    sized = calibrated.parse(sabotage)
    name = sized[0].function if sized is not None else _RELEASES.get(sabotage) or BY_ID[sabotage].function
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"harness.sabotage.{module}"), function)
    return found if sized is None else partial(found, sized[1])
