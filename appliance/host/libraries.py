"""Python packages that the service is made with, looked for and not imported."""

from __future__ import annotations

from importlib.util import find_spec

MODULES = {
    "alembic": "alembic",
    "argon2-cffi": "argon2",
    "babel": "babel",
    "bottle": "bottle",
    "cryptography": "cryptography",
    "granian": "granian",
    "idna": "idna",
    "jinja2": "jinja2",
    "msgspec": "msgspec",
    "pip-nftables": "nftables",
    "prometheus-client": "prometheus_client",
    "psycopg": "psycopg",
    "pyotp": "pyotp",
    "pyroute2": "pyroute2",
    "pyseccomp": "pyseccomp",
    "rich": "rich",
    "segno": "segno",
    "sqlalchemy": "sqlalchemy",
    "structlog": "structlog",
    "typer": "typer",
    "webauthn": "webauthn",
}
"""Module of each package that `pyproject.toml` names for every Python."""


def absent() -> tuple[str, ...]:
    """Find the packages that this Python lacks."""
    return tuple(package for package, module in MODULES.items() if find_spec(module) is None)
