"""Fixtures of letters: a service that sends them, a clock, and an owner to whom none has been written yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyotp
import pytest

from appliance.model.letters import Letter
from appliance.service import Actor, Context, enrolment
from tests.appliance.clocks import WallClock
from tests.appliance.conftest import sign_up
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD

EMAIL = "owner@example.net"
SITE = "https://hub.example.net"


@pytest.fixture
def context(context: Context, clock: WallClock) -> Context:
    return replace(context, sends_mail=True, site=SITE, clock=clock)


@pytest.fixture
def owner(context: Context) -> Actor:
    """Signs an owner up before there is a relay, so that no letter waits."""
    return sign_up(replace(context, sends_mail=False), EMAIL)


@pytest.fixture
def arrived(context: Context) -> Callable[[], list[Letter]]:
    """Returns a function that sends all queued letters and returns them."""
    return lambda: delivered(context)


@pytest.fixture
def phone(context: Context, owner: Actor, clock: WallClock) -> pyotp.TOTP:
    """Provides the authenticator of the owner, whose second factor is on."""
    quiet = replace(context, sends_mail=False)
    made = pyotp.TOTP(enrolment.propose(quiet, owner, password=PASSWORD).secret)
    enrolment.enable(quiet, owner, code=made.at(clock.now))
    clock.wait()
    return made
