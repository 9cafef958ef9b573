"""Reading QR codes from pictures, with two independent programs."""

from __future__ import annotations

import io
import re

import zxingcpp
from PIL import Image
from pyzbar import pyzbar

_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_STEP = re.compile(r"([Mmh])([-0-9. ]+)")


def read(picture: Image.Image) -> dict[str, list[str]]:
    """Reads the codes in a picture; returns their texts by program."""
    grey = picture.convert("L")
    return {
        "zbar": [each.data.decode() for each in pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])],
        "zxing": [each.text for each in zxingcpp.read_barcodes(grey, formats=_QR)],
    }


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def drawn(svg: str, pixels: int) -> Image.Image:
    """Draws a code as a screen does, in this width; each pixel is the mean of its area."""
    frame = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    line = re.search(r' stroke="#000" d="([^"]+)"', svg)
    assert frame is not None
    assert line is not None
    modules = Image.new("L", (int(frame[1]), int(frame[1])), 255)
    x = y = 0.0
    for step, numbers in _STEP.findall(line[1]):
        found = [float(number) for number in re.findall(r"-?[0-9.]+", numbers)]
        if step == "h":
            modules.paste(0, (int(x), int(y), int(x + found[0]), int(y) + 1))
            x += found[0]
        else:
            x, y = (found[0], found[1]) if step == "M" else (x + found[0], y + found[1])
    return modules.resize((pixels, pixels), Image.Resampling.BOX)
