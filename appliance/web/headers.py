"""Headers that every answer has, and what a browser keeps from pages of ours because of them."""

from __future__ import annotations

from collections.abc import Mapping

# Nothing that no page of ours uses; passkeys are asked for by our own pages alone.
_FEATURES = (
    *(f"{feature}=()" for feature in ("camera", "microphone", "geolocation", "payment", "usb", "serial", "hid")),
    *(f"{feature}=()" for feature in ("bluetooth", "midi", "display-capture", "screen-wake-lock", "browsing-topics")),
    *(f"publickey-credentials-{use}=(self)" for use in ("create", "get")),
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    # The policy's frame-ancestors says the same; this is for browsers that don't know it.
    "X-Frame-Options": "DENY",
    # With no referrer at all, browsers keep the Origin of our own forms back too.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": ", ".join(_FEATURES),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
