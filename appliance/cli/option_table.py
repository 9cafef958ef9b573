"""Table of options: the values that each takes, in words and as a parser. Where they come from, `settings` knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.cli import values
from appliance.cli.errors import CommandError, Exit
from appliance.logs import LogFormat
from appliance.mail.relay import check_sender
from appliance.model.hosts import Endpoint
from appliance.model.policy import HIGHEST_PORT
from appliance.model.retention import LEAST_MEGABYTES, LONGEST_DAYS, MOST_MEGABYTES
from appliance.model.sign_up import SignUpMode

WIREGUARD_CHOICES = ("auto", "kernel", "wireguard-go", "boringtun")
_MOST_UNUSED_DAYS = 9999
_LONGEST_SHOWN = 80
# Python writes no number of thousands of digits.
_LARGEST = 10**18


@dataclass(frozen=True)
class Option:
    """An option: the values that it takes, in words and as a parser.

    Attributes:
        takes: goes on a sentence that begins with the option's name and "takes".
        parse: makes the value of a text; raises ValueError for one that the option can't take.
        is_repeatable: whether it takes several; in one text they stand with commas or blanks between them.
        is_secret: whether a text may hold a password, and so is never repeated.
    """

    takes: str
    parse: Callable[[str], Any]
    is_repeatable: bool = False
    is_secret: bool = False


def _number(least: int, most: int) -> Option:
    return Option(f"a whole number from {least} to {most}", values.number(least, most))


def _one_of(*choices: str) -> str:
    return f"one of {', '.join(choices)}"


PATH = Option("a path of printable characters", values.path)
_RANGES = Option("ranges like 192.0.2.0/24 or 2001:db8::/32 with no host bits set", values.network, is_repeatable=True)
_MODES = tuple(SignUpMode)
_FORMS = tuple(LogFormat)
OPTIONS = {
    "data": Option("a path of printable characters without a question mark", values.folder),
    "listen": Option("HOST:PORT with a host of this machine, an IPv6 address in brackets", values.listen),
    "endpoint": Option(
        "HOST or HOST:PORT as machines elsewhere reach the hub, with a host name, an IPv4 address, or an IPv6 address "
        "in brackets",
        Endpoint.parse,
    ),
    "database_url": Option(
        "sqlite:////ABSOLUTE/PATH or postgresql+psycopg://[USER[:PASSWORD]@][HOST[:PORT]]/DATABASE, with special "
        "characters of user and password URL-encoded",
        values.database_url,
        is_secret=True,
    ),
    "wireguard": Option(_one_of(*WIREGUARD_CHOICES), values.one_of(*WIREGUARD_CHOICES)),
    "udp_port": Option(f"a port from 1 to {HIGHEST_PORT}", values.number(1, HIGHEST_PORT)),
    "tls_cert": PATH,
    "tls_key": PATH,
    "trusted_source": _RANGES,
    "trusted_proxy": _RANGES,
    "public_url": Option("https://HOST[:PORT]", values.site),
    "smtp_url": Option(
        "smtps://[USER:PASSWORD@]HOST[:PORT], or smtp:// for STARTTLS, with user and password in printable ASCII "
        "characters, special ones URL-encoded",
        values.relay,
        is_secret=True,
    ),
    "mail_from": Option("an e-mail address", check_sender),
    "metrics_token": Option(
        f"{values.SHORTEST_TOKEN} or more printable ASCII characters without a space", values.token, is_secret=True
    ),
    "sign_up": Option(_one_of(*(mode.value for mode in _MODES)), values.one_of(*_MODES)),
    "unused_days": _number(0, _MOST_UNUSED_DAYS),
    "audit_days": _number(1, LONGEST_DAYS),
    "audit_megabytes": _number(LEAST_MEGABYTES, MOST_MEGABYTES),
    "unlock_secret_file": PATH,
    "log": Option(_one_of(*(form.value for form in _FORMS)), values.one_of(*_FORMS)),
}


def name_of(key: str) -> str:
    """The option as it stands on a command line."""
    return "--" + key.replace("_", "-")


@dataclass(frozen=True)
class Given:
    """A value that is not checked yet.

    Attributes:
        named: where it was given, as a sentence names it.
        value: as a command line, the environment or a TOML file has it.
    """

    named: str
    value: Any = field(repr=False)


def value_of(option: Option, given: Given) -> Any:
    """The value of an option.

    Raises:
        CommandError: it takes no such one.
    """
    if not option.is_repeatable:
        return _single(option, given.named, given.value)
    each = given.value.replace(",", " ").split() if isinstance(given.value, str) else given.value
    if not isinstance(each, list | tuple):
        raise _wrong(option, given.named, each)
    return tuple(_single(option, given.named, one) for one in each)


def _single(option: Option, named: str, value: Any) -> Any:
    # To Python, true is a number.
    if not isinstance(value, str | int | Path) or isinstance(value, bool):
        raise _wrong(option, named, value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise _wrong(option, named, "a number of many digits")
    try:
        return option.parse(str(value))
    except ValueError:
        raise _wrong(option, named, value) from None


def _wrong(option: Option, named: str, value: Any) -> CommandError:
    instead = "" if option.is_secret else f", not {shown(repr(str(value)))}"
    return CommandError(f"{named} takes {option.takes}{instead}.", Exit.NOT_CONFIGURED)


def shown(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
