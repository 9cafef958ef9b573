"""Entry of the catalogue of sabotages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sabotage:
    """A sabotage of the service, and the scenario that has to notice it.

    Attributes:
        id: name in transcripts and options.
        claim: id of the claim that it breaks.
        broke: effect on the service, in words.
        function: ``module:function`` in this package that puts it into the service.
        scenario: test function that has to notice it; the only one that runs against it.
        says: text that the scenario's failure must contain, so that no other defect counts.
        one_of: texts of which it must contain one, too, where ``says`` alone could be about other defects.
        waits: True if the scenario then waits for six seconds or more.
        store: store of the service that it breaks, of `harness.world.conditions`; None if it breaks any.
    """

    id: str
    claim: str
    broke: str
    function: str
    scenario: str
    says: str
    waits: bool = False
    store: str | None = None
    one_of: tuple[str, ...] = ()

    def is_told_by(self, failure: str) -> bool:
        """Tells whether the words of a failure are about this sabotage."""
        return self.says in failure and (not self.one_of or any(each in failure for each in self.one_of))
