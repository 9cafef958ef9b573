"""Times of handshakes after the wall clock was set."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from appliance.host.clocks import HostClocks
from appliance.hub.wireguard.handshakes import Handshakes
from appliance.model.desired import PeerStatus

KEY = "k" * 44


@dataclass
class Host:
    """A host whose clock a test sets, and a machine's last handshake."""

    wall: float = 1_000_000.0
    steady: float = 50.0
    reported: int = 0
    shook_hands_at: float = 0.0

    def passes(self, seconds: float) -> None:
        self.wall, self.steady = self.wall + seconds, self.steady + seconds

    def shakes_hands(self) -> None:
        if int(self.wall) == self.reported:
            self.passes(1.0)
        self.reported, self.shook_hands_at = int(self.wall), self.steady

    def age(self, handshakes: Handshakes) -> float:
        (found,) = handshakes.dated("acme", [PeerStatus(KEY, self.reported, 0, 0, "")])
        return self.wall - found.last_handshake


def on(host: Host) -> Handshakes:
    return Handshakes(HostClocks(lambda: host.wall, lambda: host.steady))


def test_a_clock_set_back_leaves_a_silent_machine_offline() -> None:
    host = Host()
    handshakes = on(host)
    host.shakes_hands()
    assert host.age(handshakes) < 1
    host.passes(600)
    host.wall -= 86_400
    assert 600 <= host.age(handshakes) < 602
    host.passes(86_400)
    assert 87_000 <= host.age(handshakes) < 87_002


def test_a_clock_set_forward_leaves_a_machine_online() -> None:
    host = Host()
    handshakes = on(host)
    host.age(handshakes)
    host.passes(5)
    host.shakes_hands()
    host.wall += 86_400
    assert host.age(handshakes) < 7


def test_an_unknown_handshake_of_the_future_counts_as_now() -> None:
    host = Host()
    host.shakes_hands()
    host.wall -= 86_400
    handshakes = on(host)
    assert -1 <= host.age(handshakes) < 1
    host.passes(300)
    assert 299 <= host.age(handshakes) < 302


def test_a_reported_age_is_kept_when_the_clock_is_set() -> None:
    """Uses boringtun's reported time, which moves with the clock, and sometimes by a second."""
    host = Host()
    handshakes = on(host)
    host.shakes_hands()
    for step in (0.0, -5000.0, 7000.3, 0.4, -1e6):
        host.wall += step
        host.passes(100.6)
        host.reported = int(host.wall) - int(host.steady - host.shook_hands_at)
        assert abs(host.age(handshakes) - (host.steady - host.shook_hands_at)) <= 3


def test_with_an_unchanged_clock_times_are_as_reported() -> None:
    host = Host()
    handshakes = on(host)
    for _ in range(5):
        host.passes(100.7)
        host.shakes_hands()
        (found,) = handshakes.dated("acme", [PeerStatus(KEY, host.reported, 0, 0, "")])
        assert found.last_handshake == host.reported
    assert handshakes.dated("acme", [PeerStatus(KEY, 0, 0, 0, "")])[0].last_handshake == 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pass"), st.floats(0, 1000)),
            st.tuples(st.just("set"), st.floats(-100_000, 100_000)),
            st.tuples(st.just("shake"), st.just(0.0)),
        ),
        max_size=30,
    )
)
@example([("pass", 1.5), ("shake", 0.0), ("set", 3.0)])
def test_a_handshake_s_age_is_right_after_the_clock_was_set(steps: list[tuple[str, float]]) -> None:
    host = Host()
    handshakes = on(host)
    host.age(handshakes)
    host.shakes_hands()
    for what, amount in steps:
        if what == "pass":
            host.passes(amount)
        elif what == "set":
            host.wall += amount
        else:
            host.shakes_hands()
        # A difference of two seconds or less is left as WireGuard reports it, in whole seconds.
        assert abs(host.age(handshakes) - (host.steady - host.shook_hands_at)) <= 3
