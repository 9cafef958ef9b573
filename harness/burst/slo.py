"""Limits that a burst has to keep, read from a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.burst.report import Figures

DEFAULT = Path(__file__).with_name("slo.toml")


class BadSlo(Exception):
    """The file can't be read or has another content; the message is a sentence."""


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a burst; None for no limit.

    Attributes:
        errors: most organizations with an error.
        collisions: most collisions.
        meshes_working_share: least share of organizations with a working mesh, from 0 to 1.
        p95_ms: most milliseconds from sign-up to a working mesh, 95th percentile.
        rate_per_s: least number of working meshes per second.
    """

    errors: int | None = None
    collisions: int | None = None
    meshes_working_share: float | None = None
    p95_ms: float | None = None
    rate_per_s: float | None = None

    def missed_by(self, figures: Figures) -> list[str]:
        """Returns the names of the limits that a burst did not keep."""
        kept = {
            "errors": _at_most(figures.errors, self.errors),
            "collisions": _at_most(figures.collisions, self.collisions),
            "meshes_working_share": _at_least(figures.meshes_working_share, self.meshes_working_share),
            "p95_ms": _at_most(figures.p95_ms, self.p95_ms),
            "rate_per_s": _at_least(figures.rate_per_s, self.rate_per_s),
        }
        return [name for name, good in kept.items() if not good]


def read(path: Path) -> Slo:
    """Reads limits from a TOML file, or from a JSON file if its name ends in ``.json``.

    Raises:
        BadSlo: the file can't be used.
    """
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(path.read_bytes(), type=Slo)
    except OSError as error:
        raise BadSlo(f"{path} can't be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        names = ", ".join(each.name for each in msgspec.structs.fields(Slo))
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise BadSlo(f"{path} has to be {kind} with numbers for some of {names}, and nothing else.") from error


def _at_most(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value <= limit)


def _at_least(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value >= limit)
