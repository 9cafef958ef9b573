"""Table of options, from which command lines, environment, configuration file and their documentation are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from appliance.cli import values
from appliance.cli.errors import CommandError, Exit
from appliance.logs import LogFormat
from appliance.model.hosts import Endpoint, authority
from appliance.model.port_ranges import HIGHEST_PORT
from appliance.model.retention import LEAST_MEGABYTES, LONGEST_DAYS, MOST_MEGABYTES, Retention
from appliance.model.sign_up import SignUpMode

_MOST_UNUSED_DAYS = 9999
_LONGEST_SHOWN = 80
# Python refuses to print numbers of thousands of digits.
_LARGEST = 10**18


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _joined(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))


@dataclass(frozen=True)
class Option:
    """An option: its meaning and its values.

    Attributes:
        help: sentence for the help.
        takes: description of valid values, which follows the option's name and "takes".
        parse: parses a text; raises ValueError for an invalid one.
        metavar: form of the value in the help; empty for an option without a command line.
        kind: type of the value on the command line.
        default: text of the default; None if there is none, or if it depends on other options.
        note: text about the default for the documentation.
        text: formats a value; empty for no value.
        is_repeatable: True if it takes several values; in one text they are separated by commas or blanks.
        is_secret: True if the text may contain a password, so that no message repeats it.
    """

    help: str
    takes: str
    parse: Callable[[str], Any]
    metavar: str = ""
    _: KW_ONLY
    kind: type = str
    default: str | None = None
    note: str = ""
    text: Callable[[Any], str] = _text
    is_repeatable: bool = False
    is_secret: bool = False

    @property
    def usual(self) -> str:
        """The default in words for the help: the value, or the first part of the note, without Markdown."""
        return self.default or self.note.partition(";")[0].replace("`", "")


def _number(help: str, least: int, most: int, metavar: str, default: int, note: str) -> Option:
    takes = f"a whole number from {least} to {most}"
    return Option(help, takes, values.number(least, most), metavar, kind=int, default=str(default), note=note)


def _path(help: str, metavar: str = "", note: str = "") -> Option:
    return Option(help, "a path of printable characters", values.path, metavar, kind=Path, note=note)


def _ranges(help: str, note: str) -> Option:
    takes = "ranges like 192.0.2.0/24 or 2001:db8::/32 with no host bits set"
    return Option(help, takes, values.network, "CIDR", note=note, text=_joined, is_repeatable=True)


def _choice(help: str, metavar: str, choices: Iterable[Any], default: str, note: str, **more: Any) -> Option:
    by_text = {str(getattr(choice, "value", choice)): choice for choice in choices}
    takes = f"one of {', '.join(by_text)}"
    return Option(help, takes, values.one_of(by_text), metavar, default=default, note=note, **more)


PATH = _path("A file.")
_USUAL = Retention()
OPTIONS = {
    "data": Option(
        "Folder of the store.",
        "a path of printable characters without a question mark",
        values.folder,
        "DIR",
        kind=Path,
        note="`/var/lib/meshwg`",
    ),
    "listen": Option(
        "For pages and API, over HTTPS.",
        "HOST:PORT with a host of this machine, an IPv6 address in brackets",
        values.listen,
        "HOST:PORT",
        default="127.0.0.1:8443",
        text=lambda listen: authority(*listen),
    ),
    "endpoint": Option(
        "The hub, as configurations name it.",
        "HOST or HOST:PORT as machines elsewhere reach the hub, with a host name, an IPv4 address, or an IPv6 address "
        "in brackets",
        Endpoint.parse,
        "HOST[:PORT]",
        note="the listen address, or this machine's own; see [The endpoint](#the-endpoint)",
    ),
    "database_url": Option(
        "The store's database.",
        "sqlite:////ABSOLUTE/PATH or postgresql+psycopg://[USER[:PASSWORD]@][HOST[:PORT]]/DATABASE, with special "
        "characters of user and password URL-encoded",
        values.database_url,
        "URL",
        note="SQLite in the data folder",
        is_secret=True,
    ),
    "wireguard": _choice(
        "auto, kernel, wireguard-go or boringtun.",
        "NAME",
        ("auto", "kernel", "wireguard-go", "boringtun"),
        "auto",
        "tries kernel, wireguard-go and boringtun, in this order",
    ),
    "udp_port": Option(
        "Public UDP port.",
        f"a port from 1 to {HIGHEST_PORT}",
        values.number(1, HIGHEST_PORT),
        "PORT",
        kind=int,
        note="what the first start chose: 51820, or the next that was free",
    ),
    "tls_cert": _path("Certificate (PEM) of pages and API.", "FILE", "a self-signed certificate"),
    "tls_key": _path("Its key (PEM).", "FILE", "that of the self-signed certificate"),
    "trusted_source": _ranges(
        "Range without limits on sign-up and changes; repeatable.",
        "none; few limits from there, see [What one client can take](#what-one-client-can-take)",
    ),
    "trusted_proxy": _ranges(
        "Range of proxies whose X-Forwarded-For is believed; repeatable.",
        "none; see [Behind a proxy](#behind-a-proxy)",
    ),
    "public_url": Option(
        "https://HOST[:PORT] that links begin with.",
        "https://HOST[:PORT]",
        values.site,
        "URL",
        note=(
            "`https://` and the listen address, or the endpoint's host if that is every address; links in letters "
            "begin with it"
        ),
    ),
    "smtp_url": Option(
        "Mail relay, smtps://USER:PASSWORD@HOST; better in file or environment.",
        "smtps://[USER:PASSWORD@]HOST[:PORT], or smtp:// for STARTTLS, with user and password in printable ASCII "
        "characters, special ones URL-encoded",
        values.relay,
        "URL",
        note="none; no mail is sent",
        is_secret=True,
    ),
    "mail_from": Option(
        "Address that letters come from.",
        "an e-mail address",
        values.sender,
        "ADDRESS",
        note="`meshwg@` and the host of the public URL",
    ),
    "sign_up": _choice(
        "Who may sign up: open, verified, invited or closed.",
        "MODE",
        SignUpMode,
        SignUpMode.OPEN.value,
        "see [Who may sign up](#who-may-sign-up)",
        text=lambda mode: mode.value,
    ),
    "unused_days": _number(
        "Days until an organization that nobody uses is removed; 0: never.",
        0,
        _MOST_UNUSED_DAYS,
        "DAYS",
        30,
        "organizations that nobody uses are removed then, 0: never",
    ),
    "metrics_token": Option(
        "Token that lets programs elsewhere read /metrics; better in file or environment.",
        f"{values.SHORTEST_TOKEN} or more printable ASCII characters without a space",
        values.token,
        "TOKEN",
        note="none; see [Watching it](#watching-it)",
        is_secret=True,
    ),
    "audit_days": _number(
        "Days that entries of audit trails are kept.",
        1,
        LONGEST_DAYS,
        "DAYS",
        _USUAL.days,
        "see [What is kept of audit trails](#what-is-kept-of-audit-trails)",
    ),
    "audit_megabytes": _number(
        "MB that are kept of each organization's audit trail.",
        LEAST_MEGABYTES,
        MOST_MEGABYTES,
        "MB",
        _USUAL.megabytes,
        f"of each organization's trail; {LEAST_MEGABYTES} is the least",
    ),
    "security_contact": Option(
        "E-mail address or page for reports of weaknesses, in security.txt.",
        "an e-mail address, or https://HOST[/PATH]",
        values.contact,
        "CONTACT",
        note="none; see [Reports of weaknesses](#reports-of-weaknesses)",
    ),
    "advisories_url": Option(
        "Page with your security advisories.",
        "https://HOST[/PATH]",
        values.link,
        "URL",
        note="none; `/security` leads there",
    ),
    "etcd": Option(
        "Member of etcd that many hubs share, HOST:PORT; repeatable.",
        "HOST:PORT of etcd members, an IPv6 address in brackets",
        values.host_and_port,
        "HOST:PORT",
        note="none: one hub; see [Many hubs](#many-hubs) for this and the next six",
        text=lambda members: _joined(authority(*member) for member in members),
        is_repeatable=True,
    ),
    "host_name": Option(
        "This host's name in its certificate, one of many hubs.",
        "the DNS name in this host's certificate",
        values.dns_name,
        "NAME",
        note="none",
    ),
    "host_address": Option(
        "Address of this host at which other hosts call its hubs.",
        "an address of this host",
        values.address,
        "ADDRESS",
        note="none",
    ),
    "host_ca": _path("Certificate (PEM) of the authority of all hosts and of etcd.", "FILE", "none"),
    "host_cert": _path("Certificate (PEM) of this host for the others and for etcd.", "FILE", "none"),
    "host_key": _path("Its key (PEM).", "FILE", "none"),
    "announce": Option(
        "How a hub's public address comes to this host.",
        "lan:LINK, link:LINK, or command:/PROGRAM",
        values.announcement,
        "HOW",
        note="none",
        text=lambda how: "" if how is None else ":".join(how),
    ),
    "standby": _choice(
        "on: prepare for shards of other hosts, where no other host does.",
        "WORD",
        ("on", "off"),
        "off",
        "see [A prepared host](#a-prepared-host)",
    ),
    "log": _choice(
        "auto, text or json; auto is text on a terminal and json elsewhere.",
        "FORM",
        LogFormat,
        LogFormat.AUTO.value,
        "words on a terminal, JSON elsewhere; `text` and `json` are these anywhere",
        text=lambda form: form.resolved.value,
    ),
    "unlock_secret_file": _path(
        "File of the unlock secret.", note="none; `MESHWG_UNLOCK_SECRET` may hold the secret itself"
    ),
}


def name_of(key: str) -> str:
    """Get an option's name on the command line."""
    return "--" + key.replace("_", "-")


def variable_of(key: str) -> str:
    """Get an option's variable in the environment."""
    return f"MESHWG_{key.upper()}"


@dataclass(frozen=True)
class Given:
    """An unchecked value.

    Attributes:
        named: its source, for error messages.
        value: from the command line, the environment or a TOML file.
    """

    named: str
    value: Any = field(repr=False)


def value_of(option: Option, given: Given) -> Any:
    """Parse the value of an option.

    Raises:
        CommandError: the value is invalid.
    """
    if not option.is_repeatable:
        return _single(option, given.named, given.value)
    each = given.value.replace(",", " ").split() if isinstance(given.value, str) else given.value
    if not isinstance(each, list | tuple):
        raise _wrong(option, given.named, each)
    return tuple(_single(option, given.named, one) for one in each)


def _single(option: Option, named: str, value: Any) -> Any:
    # In Python, bool is an int.
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
    """Shorten a text for a message."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
