"""What an operator can decide, from four places: the command line, the environment, a file, the defaults.

Every option has a key of the same name in the file (TOML) and a variable ``MESHWG_<NAME>`` in the environment.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.mail import Relay
from appliance.model.addresses import Network
from appliance.model.retention import LEAST_MEGABYTES, MEGABYTE, Retention
from appliance.model.sign_up import SignUpMode

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WIREGUARD_CHOICES = ("auto", "kernel", "wireguard-go", "boringtun")
SECRET_VARIABLE = "MESHWG_UNLOCK_SECRET"  # noqa: S105 - the name of a variable
SECRET_FILE_VARIABLE = "MESHWG_UNLOCK_SECRET_FILE"  # noqa: S105
# Fewer characters could be guessed.
_SHORTEST_TOKEN = 16
_UNUSED_DAYS = 30
_LONGEST_DAYS = 4
_MOST = 1_000_000
_KEYS = (
    "data",
    "listen",
    "endpoint",
    "database_url",
    "wireguard",
    "udp_port",
    "tls_cert",
    "tls_key",
    "trusted_source",
    "trusted_proxy",
    "public_url",
    "smtp_url",
    "mail_from",
    "metrics_token",
    "sign_up",
    "unused_days",
    "audit_days",
    "audit_megabytes",
    "unlock_secret_file",
)


@dataclass(frozen=True)
class Settings:
    """An operator's decisions, checked.

    Attributes:
        udp_port: the public one; None leaves it to the first start.
        trusted_source: ranges without limits but on log-in.
        trusted_proxy: ranges of proxies whose X-Forwarded-For is believed.
        public_url: where people find the pages, without a slash at its end.
        smtp_url: the mail relay with its password, if there is one.
        mail_from: the address that letters come from.
        sign_up: what a sign-up takes.
        unused_days: how long an organization that nobody uses is kept; None: for good.
        metrics_token: lets programs elsewhere read the metrics, if there is one.
        retention: how much of each organization's audit trail is kept.
    """

    data: Path
    host: str
    port: int
    endpoint: str
    database_url: str
    wireguard: str
    udp_port: int | None
    tls_cert: Path | None
    tls_key: Path | None
    trusted_source: tuple[Network, ...]
    trusted_proxy: tuple[Network, ...]
    public_url: str
    smtp_url: str | None = field(repr=False)
    mail_from: str
    sign_up: SignUpMode
    unused_days: int | None
    metrics_token: str | None = field(repr=False)
    retention: Retention
    unlock_secret_file: Path | None

    @property
    def relay(self) -> Relay | None:
        """Where mail goes; None where nobody said so, and no mail is sent."""
        return None if self.smtp_url is None else Relay.parse(self.smtp_url, self.mail_from)

    def environment(self) -> dict[str, str]:
        """The same decisions as variables, for a process that takes no options. The unlock secret is not among them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        found = {
            "data": str(self.data),
            "listen": f"{host}:{self.port}",
            "endpoint": self.endpoint,
            "database_url": self.database_url,
            "wireguard": self.wireguard,
            "udp_port": str(self.udp_port or ""),
            "tls_cert": str(self.tls_cert or ""),
            "tls_key": str(self.tls_key or ""),
            "trusted_source": " ".join(map(str, self.trusted_source)),
            "trusted_proxy": " ".join(map(str, self.trusted_proxy)),
            "public_url": self.public_url,
            "smtp_url": self.smtp_url or "",
            "mail_from": self.mail_from,
            "sign_up": self.sign_up.value,
            "unused_days": str(self.unused_days or 0),
            "metrics_token": self.metrics_token or "",
            "audit_days": str(self.retention.days),
            "audit_megabytes": str(self.retention.megabytes),
        }
        return {_variable(key): value for key, value in found.items() if value}


def resolve(given: Mapping[str, Any], config: Path | None = None) -> Settings:
    """The settings, where what was given on the command line comes before environment, file and defaults.

    Raises:
        CommandError: a value makes no sense, or the file can't be read.
    """
    chosen: dict[str, Any] = {**_defaults(), **_from_file(config), **_from_environment()}
    chosen |= {key: value for key, value in given.items() if value or value == 0}
    data = Path(chosen["data"]).expanduser().resolve()
    host, port = _listen(str(chosen["listen"]))
    if chosen["wireguard"] not in WIREGUARD_CHOICES:
        raise _wrong("wireguard", f"one of {', '.join(WIREGUARD_CHOICES)}", chosen["wireguard"])
    tls_cert, tls_key = _path(chosen.get("tls_cert")), _path(chosen.get("tls_key"))
    if (tls_cert is None) != (tls_key is None):
        raise CommandError("A certificate needs its key and a key its certificate.", Exit.NOT_CONFIGURED)
    endpoint = _endpoint(str(chosen.get("endpoint") or ""), host)
    public_url = _public_url(str(chosen.get("public_url") or ""), host, endpoint, port)
    found = Settings(
        data=data,
        host=host,
        port=port,
        endpoint=endpoint,
        database_url=str(chosen.get("database_url") or f"sqlite:///{data / 'store' / 'meshwg.sqlite'}"),
        wireguard=str(chosen["wireguard"]),
        udp_port=_port(chosen.get("udp_port")),
        tls_cert=tls_cert,
        tls_key=tls_key,
        trusted_source=_networks("trusted_source", chosen.get("trusted_source") or ()),
        trusted_proxy=_networks("trusted_proxy", chosen.get("trusted_proxy") or ()),
        public_url=public_url,
        smtp_url=str(chosen.get("smtp_url") or "") or None,
        mail_from=str(chosen.get("mail_from") or f"meshwg@{urlsplit(public_url).hostname}"),
        sign_up=_sign_up(str(chosen["sign_up"])),
        unused_days=_days(str(chosen["unused_days"])),
        metrics_token=_metrics_token(str(chosen.get("metrics_token") or "")),
        retention=Retention(
            _at_least("audit_days", chosen["audit_days"], 1),
            _at_least("audit_megabytes", chosen["audit_megabytes"], LEAST_MEGABYTES) * MEGABYTE,
        ),
        unlock_secret_file=_path(chosen.get("unlock_secret_file")),
    )
    _check_mail(found)
    if (found.unused_days or 0) > found.retention.days:
        raise CommandError(
            f"--unused-days {found.unused_days} is more than --audit-days {found.retention.days}: what happened "
            "longer ago is not known, and an organization would be removed that was in use.",
            Exit.NOT_CONFIGURED,
        )
    if found.sign_up is SignUpMode.VERIFIED and found.relay is None:
        raise CommandError(
            "--sign-up verified takes mail: without --smtp-url no link would ever arrive.", Exit.NOT_CONFIGURED
        )
    return found


def listen_url(host: str, endpoint: str, port: int) -> str:
    """Where the pages are without a proxy in front, without a slash at the end."""
    if host in ("0.0.0.0", "::"):  # noqa: S104
        host = endpoint
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def _defaults() -> dict[str, Any]:
    state = "/var/lib/meshwg" if os.geteuid() == 0 else "~/.local/share/meshwg"
    usual = Retention()
    return {
        "data": state,
        "listen": "127.0.0.1:8443",
        "wireguard": "auto",
        "sign_up": SignUpMode.OPEN.value,
        "unused_days": _UNUSED_DAYS,
        "audit_days": usual.days,
        "audit_megabytes": usual.megabytes,
    }


def _from_file(config: Path | None) -> dict[str, Any]:
    path = config or _path(os.environ.get("MESHWG_CONFIG"))
    if path is None:
        return {}
    try:
        found = tomllib.loads(trust.read(path, "configuration file").decode())
    except ValueError as error:
        raise CommandError(f"The configuration file {path} can't be read: {error}.", Exit.NOT_CONFIGURED) from None
    strangers = sorted(set(found) - set(_KEYS))
    if strangers:
        raise CommandError(f"{path} has keys that nobody knows: {', '.join(strangers)}.", Exit.NOT_CONFIGURED)
    return found


def _from_environment() -> dict[str, Any]:
    return {key: value for key in _KEYS if (value := os.environ.get(_variable(key), ""))}


def _variable(key: str) -> str:
    return f"MESHWG_{key.upper()}"


def _path(value: Any) -> Path | None:
    return Path(str(value)).expanduser().resolve() if value else None


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise _wrong("listen", "HOST:PORT", text)
    host = host.strip("[]") or "0.0.0.0"  # noqa: S104 - an empty host means every address, as everywhere
    try:
        socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError:
        raise _wrong("listen", "HOST:PORT with a host of this machine", text) from None
    return host, int(port)


def _port(value: Any) -> int | None:
    text = str(value or "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise _wrong("udp_port", "a port from 1 to 65535", text)
    return int(text)


def _at_least(key: str, value: Any, least: int) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= _MOST):
        raise _wrong(key, f"a number from {least} to {_MOST}", text)
    return int(text)


def _endpoint(text: str, listen_host: str) -> str:
    endpoint = text or _own_address(listen_host)
    if any(character.isspace() or not character.isprintable() for character in endpoint):
        raise _wrong("endpoint", "a host name or an address", text)
    return endpoint.strip("[]")


def _public_url(text: str, listen_host: str, endpoint: str, port: int) -> str:
    if not text:
        return listen_url(listen_host, endpoint, port)
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise _wrong("public_url", "https://HOST[:PORT]", text)
    return f"https://{parts.netloc}"


def _sign_up(text: str) -> SignUpMode:
    try:
        return SignUpMode(text)
    except ValueError:
        raise _wrong("sign_up", f"one of {', '.join(each.value for each in SignUpMode)}", text) from None


def _days(text: str) -> int | None:
    """A number of days; None for 0, which stands for ever."""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_DAYS):
        raise _wrong("unused_days", "a number of days, or 0", text)
    return int(text) or None


def _metrics_token(text: str) -> str | None:
    """The token, which is not repeated where it can't be taken."""
    if text and (len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text):
        raise CommandError(
            f"--metrics-token takes {_SHORTEST_TOKEN} or more printable ASCII characters without a space.",
            Exit.NOT_CONFIGURED,
        )
    return text or None


def _check_mail(found: Settings) -> None:
    """The URL has a password in it, so it is not repeated."""
    try:
        _ = found.relay
    except ValueError as error:
        raise CommandError(
            f"Mail can't be sent with --smtp-url and --mail-from: {error}.", Exit.NOT_CONFIGURED
        ) from None


def _own_address(listen_host: str) -> str:
    """The address that others most likely reach this machine by."""
    if listen_host not in ("0.0.0.0", "::", "127.0.0.1", "::1", "localhost"):  # noqa: S104
        return listen_host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only asks the routing table (RFC 5737 address).
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _networks(key: str, value: str | Sequence[str]) -> tuple[Network, ...]:
    texts = value.replace(",", " ").split() if isinstance(value, str) else value
    found = []
    for text in texts:
        try:
            found.append(ip_network(str(text).strip()))
        except ValueError:
            raise _wrong(key, "a range like 192.0.2.0/24 with no host bits set", text) from None
    return tuple(found)


def _wrong(key: str, wanted: str, got: Any) -> CommandError:
    option = "--" + key.replace("_", "-")
    return CommandError(f"{option} takes {wanted}, not {str(got)!r}.", Exit.NOT_CONFIGURED)
