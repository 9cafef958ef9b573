"""Parser of a service's URL on the command line."""

from __future__ import annotations

import re

from reports.addresses import in_brackets, parse

_URL = re.compile(r"https://([^/]+)/?")


def service_url(text: str) -> str:
    """Normalizes the URL of a service, ``https://HOST[:PORT]``, to a host in ASCII.

    Raises:
        ValueError: the text has another form, or the port is 0.
    """
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not https://HOST[:PORT]")
    host, port = parse(found[1])
    if port == 0:
        raise ValueError("no service has port 0")
    return f"https://{in_brackets(host)}{'' if port is None else f':{port}'}"
