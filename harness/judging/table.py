"""A table that people can read in a message."""

from __future__ import annotations

from collections.abc import Mapping


def render(cells: Mapping[tuple[str, str], str]) -> str:
    """Rows and columns in the order in which they first come; a place that no cell is for stays empty.

    Args:
        cells: by row and column, what stands there.
    """
    rows, columns = (list(dict.fromkeys(key[place] for key in cells)) for place in (0, 1))
    lines = [["", *columns], *([row, *(cells.get((row, column), "") for column in columns)] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
