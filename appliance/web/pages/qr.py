"""QR codes as inline pictures."""

from __future__ import annotations

import segno

_QUIET_ZONE = 4
"""Width of the margin in modules, as the standard demands."""


def picture(text: str) -> str:
    """Make an SVG element of a text, without a size: the style sheet sets one.

    The text is encoded as bytes, so that all letters are UTF-8, which phones expect.
    """
    code = segno.make(text.encode(), error="l", micro=False)
    return str(
        code.svg_inline(border=_QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    )
