"""Error for kernel state that the proof does not model."""

from __future__ import annotations


class Unmodelled(Exception):
    """Something in the kernel has no meaning here, so nothing can be shown about it.

    Attributes:
        what: the expression, statement, object or setting.
        where: table, chain and rule handle, or the part of the kernel.
    """

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} has no meaning in the proof ({where})")
        self.what = what
        self.where = where
