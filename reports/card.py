"""Card of a run, a picture for sites that show a link with one."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from reports.schema import Transcript

NAME = "card.png"
SIZE = (1200, 630)
"""Width and height in pixels, as such sites want them."""

_INK, _FAINT, _PAPER, _GOOD, _BAD = "#1b2422", "#5a6663", "#fafaf7", "#0b6b66", "#a4262c"
_COLOURS = 32


def png(transcript: Transcript) -> bytes:
    """Draws the card of a run, in PNG.

    Args:
        transcript: the run.
    """
    passes = transcript.verdict == "pass"
    proven = sum(claim.verdict == "proven" for claim in transcript.claims)
    caught = sum(sabotage.caught for sabotage in transcript.sabotage)
    colour = _GOOD if passes else _BAD
    picture = Image.new("RGB", SIZE, _PAPER)
    drawing = ImageDraw.Draw(picture)
    drawing.rectangle((0, 0, 24, SIZE[1]), fill=colour)
    for top, size, ink, text in (
        (80, 48, _INK, "MeshWG" if transcript.hub is None else transcript.hub[:40]),
        (148, 34, _FAINT, f"transcript of {transcript.started_at[:10]}"),
        (236, 84, colour, "The gate passes" if passes else "The gate does not pass"),
        (380, 48, _INK, f"{proven} of {len(transcript.claims)} claims proven"),
        (452, 48, _INK, f"{caught} of {len(transcript.sabotage)} sabotages noticed"),
        (546, 30, _FAINT, "measured with real WireGuard machines"),
    ):
        drawing.text((88, top), text, fill=ink, font=ImageFont.load_default(size))
    made = io.BytesIO()
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(made, "PNG")
    return made.getvalue()
