"""Headers of every answer, which restrict our pages in browsers."""

from __future__ import annotations

from collections.abc import Mapping

# Features that no page of ours uses are off; passkeys are limited to our own pages. Bluetooth is not listed: on some
# platforms Chromium does not know it, and complains on every page.
_FEATURES = (
    *(f"{feature}=()" for feature in ("camera", "microphone", "geolocation", "payment", "usb", "serial", "hid")),
    *(f"{feature}=()" for feature in ("midi", "display-capture", "screen-wake-lock", "browsing-topics")),
    *(f"publickey-credentials-{use}=(self)" for use in ("create", "get")),
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    # Equal to the policy's frame-ancestors, for browsers that don't know it.
    "X-Frame-Options": "DENY",
    # With "no-referrer", browsers send no Origin with our own forms either.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": ", ".join(_FEATURES),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
