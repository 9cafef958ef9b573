"""Tables as CSV files (RFC 4180) that a spreadsheet opens without doing what is in them.

A spreadsheet takes a cell for a formula by its first character, whoever wrote it (OWASP, CSV injection). Which cells
there are depends on the reader: one whose locale separates by semicolons splits our lines there, also within a text
that is in quotes, because for it the quotes do not begin the cell. So a text is made harmless at its beginning and
behind each character at which some reader splits.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence

from appliance.web.response import Response

# The last four are what an input method for Chinese or Japanese makes of the first ones; some spreadsheets take them
# alike. Spaces and quotes may be dropped by a reader before it looks.
_FORMULA = r"(?=[\s\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_SEPARATOR = r"[,;|\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]"
_BEGINS_FORMULA = re.compile(rf"\A(?=[\t\r\n])|\A{_FORMULA}|(?<={_SEPARATOR}){_FORMULA}")


def cell(value: object) -> object:
    """The value as it may stand in a file: what would be a formula has an apostrophe in front, which makes it text."""
    return _BEGINS_FORMULA.sub("'", value) if isinstance(value, str) else value


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Make the table a file of this name.

    It is UTF-8 and begins with a byte order mark: without one, Excel reads a file in the character set of its locale,
    and every name that is not ASCII is garbled.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return Response(
        codecs.BOM_UTF8 + text.getvalue().encode("utf-8"),
        headers={
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
