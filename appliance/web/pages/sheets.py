"""CSV files (RFC 4180) without formulas that a spreadsheet would execute.

A spreadsheet takes a cell for a formula by its first character (OWASP, CSV injection). The cells depend on the reader:
in a locale with semicolons as separators, lines are split there, even within quotes. So a text is made harmless at its
beginning and after each character at which some reader splits.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence

from appliance.web.response import Response

# The last four are full-width forms of the first ones, which some spreadsheets accept too. A reader may drop spaces and
# quotes first.
_FORMULA = r"(?=[\s\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_SEPARATOR = r"[,;|\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]"
_BEGINS_FORMULA = re.compile(rf"\A(?=[\t\r\n])|\A{_FORMULA}|(?<={_SEPARATOR}){_FORMULA}")


def cell(value: object) -> object:
    """Make a value safe for a file: an apostrophe before a formula makes it text."""
    return _BEGINS_FORMULA.sub("'", value) if isinstance(value, str) else value


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Make a CSV file of a table.

    It is UTF-8 and begins with a byte order mark: without one, Excel decodes the file with its locale's character set.
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
