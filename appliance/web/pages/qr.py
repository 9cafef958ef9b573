"""QR codes: pictures within a page, for the camera of a phone."""

from __future__ import annotations

import segno

_QUIET_ZONE = 4
"""Modules: what the standard asks for; readers find no code that is framed more closely."""


def picture(text: str) -> str:
    """An SVG element of this text, without a size of its own: the page's style gives it one.

    The text is encoded as bytes, so that every script's letters are UTF-8, which phones expect.
    """
    code = segno.make(text.encode(), error="l", micro=False)
    return str(
        code.svg_inline(border=_QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    )
