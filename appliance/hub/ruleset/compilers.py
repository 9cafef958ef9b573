"""Compilers of the organizations that were changed lately, within a bound of memory."""

from __future__ import annotations

from appliance.hub.ruleset.compiler import Compiler
from appliance.hub.ruleset.document import Ruleset
from appliance.model.desired import Desired
from appliance.sized_cache import SizedCache

MOST = 200
MOST_BYTES = 64 * 2**20
"""Memory for all compilers together, by `Compiler.estimated_bytes`: the largest organization's takes some 30 MB."""


class Compilers:
    """Compiles the states of many organizations, and keeps what is unchanged in each. Thread-safe.

    Without what was kept, a ruleset is compiled from nothing, which takes a second for the largest one.

    Args:
        most: number of organizations for which something is kept.
        most_bytes: memory for all of them; organizations with large rulesets lose theirs first.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._kept: SizedCache[Compiler] = SizedCache(most, most_bytes)

    def compile(self, name: str, desired: Desired, link: str) -> Ruleset:
        """Compile a state. The caller serializes calls for one name.

        Args:
            name: name of the organization's namespace.
            link: the name of the one link there.
        """
        # While it is in use, nobody can drop or measure it.
        compiler = self._kept.take(name) or Compiler()
        compiled = compiler.compile(desired, link)
        self._kept.keep(name, compiler, compiler.estimated_bytes)
        return compiled

    def forget(self, name: str) -> None:
        """Drop what is kept of a namespace."""
        self._kept.take(name)

    @property
    def bytes(self) -> int:
        """Estimated memory of all compilers."""
        return self._kept.size
