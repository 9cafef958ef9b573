"""Tables as CSV files (RFC 4180) that a spreadsheet opens without doing what is in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import bottle

# A spreadsheet takes a cell that begins so for a formula, whoever wrote it (OWASP, CSV injection). The last four are
# what an input method for Chinese or Japanese makes of the first ones, and some spreadsheets take them alike.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def cell(value: object) -> object:
    """The value as it may stand in a file: text that would be a formula has an apostrophe in front, which makes it
    text and is not shown."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> bottle.HTTPResponse:
    """The table as a file of this name, in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return bottle.HTTPResponse(
        text.getvalue().encode("utf-8"),
        headers={
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
