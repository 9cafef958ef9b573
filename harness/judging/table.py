"""Text tables for messages."""

from __future__ import annotations

from collections.abc import Mapping


def render(cells: Mapping[tuple[str, str], str]) -> str:
    """Renders a table; rows and columns are in the order of their first cells, and missing cells are empty.

    Args:
        cells: text by row and column.
    """
    rows, columns = (list(dict.fromkeys(key[axis] for key in cells)) for axis in (0, 1))
    lines = [["", *columns], *([row, *(cells.get((row, column), "") for column in columns)] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
