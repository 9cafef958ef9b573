"""QR codes as inline pictures."""

from __future__ import annotations

import segno

_QUIET_ZONE = 4
"""Width of the margin in modules, as the standard demands."""

# Looking for the best of eight masks takes most of the time of adding a machine. Readers take any mask, and keys are so
# random that the best one has only some 3 % fewer of the patterns that the standard counts against it.
_MASK = 5


def picture(text: str) -> str:
    """Make an SVG element of a text, without a size: the style sheet sets one.

    The text is encoded as bytes, so that all letters are UTF-8, which phones expect.
    """
    code = segno.make(text.encode(), error="l", micro=False, mask=_MASK)
    return str(
        code.svg_inline(border=_QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    )
