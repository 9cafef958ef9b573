"""One-time passwords as an authenticator app makes them. Shares no code with the product.

Source: RFC 6238 and RFC 4226, with SHA-1, steps of 30 seconds and six digits.
"""

from __future__ import annotations

import base64
import hmac
import struct
import time

_STEP_S = 30


def code(secret: str, steps: int = 0) -> str:
    """Returns the one-time password of a time step.

    Args:
        secret: shared secret in base32.
        steps: distance from the current time step; negative for the past.
    """
    counter = struct.pack(">Q", int(time.time()) // _STEP_S + steps)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    start = digest[-1] & 0xF
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"
