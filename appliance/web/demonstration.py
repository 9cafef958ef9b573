"""The demonstration as its page shows it: readings of the lab, and the last flip of each rule."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from appliance.model.demo import STREAMS
from appliance.model.errors import NotFound, Refused
from appliance.model.policy import Action
from appliance.model.sentences import sentence
from appliance.service import Context, demo
from appliance.service.demo_lab import DemoLab, LabState

DENIED_S = 120
"""Seconds that a rule stays denied at most, unless somebody flips it again."""
_NOT_THERE = sentence("There is no demonstration at the moment.")


@dataclass(frozen=True)
class Flip:
    """A flip of a rule.

    Attributes:
        enforced_s: seconds until the kernel enforced it.
        answered_ns: time of the answer that it is enforced, on the monotonic clock.
    """

    action: Action
    enforced_s: float
    answered_ns: int


@dataclass(frozen=True)
class Demonstration:
    """The demonstration, if one runs.

    Attributes:
        lab: its lab.
    """

    lab: DemoLab = field(default_factory=DemoLab)
    # By rule; thread-safe, as each is replaced as a whole. There are as many as there are streams.
    _flips: dict[str, Flip] = field(default_factory=dict)
    # Time at which a denied rule was first seen, in nanoseconds; flips before the start of the process are not known.
    _seen_ns: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """True if a demonstration runs."""
        return self.lab.look() is not None

    def look(self) -> LabState:
        """Read the lab's state.

        Raises:
            NotFound: no demonstration runs.
        """
        state = self.lab.look()
        if state is None:
            raise NotFound(_NOT_THERE)
        return state

    def flip(self, context: Context, rule_id: str, action: str) -> None:
        """Make a rule allow or deny its stream; raises as `demo.flip` does, and NotFound if no demonstration runs."""
        self.look()
        if rule_id not in {stream.rule for stream in STREAMS}:
            raise NotFound("The demonstration has no such rule.")
        enforced_s = demo.flip(context, rule_id, action)
        if enforced_s is not None:
            self._flips[rule_id] = Flip(Action(action), enforced_s, self.lab.clock())

    def rules(self, context: Context) -> Mapping[str, Action]:
        """Read the actions of the rules; what was denied for `DENIED_S` is allowed first.

        Nobody misses the streams of a page that nobody looks at, so a look is soon enough.
        """
        actions = demo.actions(context)
        late = [rule for rule, action in actions.items() if action is Action.DENY and not self.left_s(rule)]
        for rule in late:
            # What can't be enforced now is tried again at the next look.
            with suppress(Refused):
                demo.flip(context, rule, Action.ALLOW.value)
        if late:
            actions = demo.actions(context)
        for rule, action in actions.items():
            if action is Action.ALLOW:
                self._seen_ns.pop(rule, None)
        return actions

    def left_s(self, rule_id: str) -> int:
        """Seconds after which a denied rule will be allowed."""
        now = self.lab.clock()
        flip = self.last_flip(rule_id, Action.DENY)
        since = flip.answered_ns if flip is not None else self._seen_ns.setdefault(rule_id, now)
        return max(0, DENIED_S - (now - since) // 10**9)

    def last_flip(self, rule_id: str, action: Action) -> Flip | None:
        """Get a rule's last flip, if it led to this action; None if nobody has flipped it since the start."""
        flip = self._flips.get(rule_id)
        return flip if flip is not None and flip.action is action else None
