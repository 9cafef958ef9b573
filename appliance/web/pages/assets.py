"""Static files: kept in memory, and named after their content so that browsers may cache them for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.web.handler import Handler
from appliance.web.request import Request
from appliance.web.response import Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_DIGITS = 12


@dataclass(frozen=True)
class Asset:
    """A static file."""

    data: bytes
    content_type: str


@dataclass(frozen=True)
class Assets:
    """All static files.

    Attributes:
        served: files by their name in the URL, which contains a digest of the content.
        names: names in the URL by the file's own name.
    """

    served: Mapping[str, Asset]
    names: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path = _FOLDER) -> Assets:
        """Read the folder."""
        served, names = {}, {}
        for path in sorted(folder.iterdir()):
            if path.suffix in _TYPES:
                data = path.read_bytes()
                name = f"{path.stem}.{hashlib.sha256(data).hexdigest()[:_DIGITS]}{path.suffix}"
                served[name] = Asset(data, _TYPES[path.suffix])
                names[path.name] = name
        return cls(served, names)

    def url(self, name: str) -> str:
        """Get the URL of a file."""
        return f"/static/{self.names[name]}"


def handler(assets: Assets, missing: Callable[[], Response]) -> Handler:
    """Make the handler of the files.

    Args:
        missing: answers for an unknown file.
    """

    def answer(request: Request) -> Response:
        asset = assets.served.get(request.parameters["name"])
        if asset is None:
            return missing()
        headers = {"Content-Type": asset.content_type, "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(asset.data, headers=headers)

    return Handler("GET", "/static/<name>", answer)
