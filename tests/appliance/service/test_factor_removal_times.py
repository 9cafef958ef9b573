"""Removal of a second factor after exactly three days, however the clock is set meanwhile."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import Conflict, NotFound, Unauthenticated
from appliance.service import Context, enrolment, factor_removals, log_in, second_factor
from tests.appliance.clocks import WallClock
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.sites import make_store
from tests.properties import examples

EMAIL = "owner@example.net"
DAYS_3 = timedelta(hours=72)
# A clock goes on, is set forward, and is set back.
JUMPS = st.sampled_from([-200, -71, -1, 1, 36, 71, 72, 200]).map(lambda hours: timedelta(hours=hours))
STEPS = st.lists(st.sampled_from(["begin", "begin", "stop", "code"]) | JUMPS, max_size=16)


class Account:
    """An account with a second factor, and the expected time of its removal.

    Attributes:
        due: expected time of the removal; None if none is pending.
        latest: latest time in the organization's audit trail.
    """

    def __init__(self, context: Context, clock: WallClock) -> None:
        self._context, self._clock = context, clock
        self.owner = sign_up(context, EMAIL)
        self._phone = pyotp.TOTP(enrolment.propose(context, self.owner, password=PASSWORD).secret)
        enrolment.enable(context, self.owner, code=self._phone.at(clock.now))
        self.due: datetime | None = None
        self.latest = clock.now

    def begin(self) -> None:
        """Begins a removal, as the operator."""
        if self.due is not None:
            with pytest.raises(Conflict):
                factor_removals.begin(self._context, EMAIL)
            return
        factor_removals.begin(self._context, EMAIL)
        self._note()
        self.due = self.latest + DAYS_3

    def stop(self) -> None:
        """Stops a removal, as the operator."""
        if self.due is None:
            with pytest.raises(NotFound):
                factor_removals.stop_as_operator(self._context, EMAIL)
            return
        factor_removals.stop_as_operator(self._context, EMAIL)
        self._note()
        self.due = None

    def code(self) -> None:
        """Logs in with a code, which is accepted only if it is of no earlier time than the last one."""
        try:
            log_in.log_in(self._context, email=EMAIL, password=PASSWORD, code=self._phone.at(self._clock.now))
        except Unauthenticated:
            return
        self._note()
        self.due = None

    def _note(self) -> None:
        self.latest = max(self.latest, self._clock.now)


@given(STEPS)
@examples(40)
def test_a_factor_is_removed_after_three_days_without_a_stop(steps: list[str | timedelta]) -> None:
    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "store.sqlite")
        context = Context(store, FakeHub(), "vpn.example.net:51820", clock=clock)
        account = Account(context, clock)
        for step in steps:
            if isinstance(step, str):
                getattr(account, step)()
            else:
                clock.now += step
            is_due = account.due is not None and account.due <= clock.now
            assert factor_removals.finish_due(context) == is_due
            assert second_factor.state(context, account.owner).enabled is not is_due
            if is_due:
                break
        store.close()
