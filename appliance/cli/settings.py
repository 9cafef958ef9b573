"""Settings of the operator, from the command line, the environment, a file, and the defaults, in this order.

Every option has a key of the same name in the file (TOML) and a variable ``MESHWG_<NAME>`` in the environment.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.option_table import OPTIONS, PATH, Given, name_of, shown, value_of, variable_of
from appliance.cli.values import EVERYWHERE, origin
from appliance.logs import LogFormat
from appliance.model.addresses import Network
from appliance.model.hosts import Endpoint, address_literal
from appliance.model.retention import MEGABYTE, Retention
from appliance.model.sign_up import SignUpMode

if TYPE_CHECKING:
    from appliance.mail import Relay

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SECRET_VARIABLE = "MESHWG_UNLOCK_SECRET"  # noqa: S105 - the name of a variable
SECRET_FILE_VARIABLE = "MESHWG_UNLOCK_SECRET_FILE"  # noqa: S105
_CONFIG_VARIABLE = "MESHWG_CONFIG"
_ALIKE = 0.9
"""Least ratio, as difflib computes it, of a misspelt variable to the one that was meant."""
_OF_MANY_HUBS = ("etcd", "host_name", "host_address", "host_ca", "host_cert", "host_key", "announce")


@dataclass(frozen=True)
class Settings:
    """Checked values of all options.

    Attributes:
        listen: host and port of pages and API.
        endpoint: the hub's public address in machines' configurations.
        udp_port: public UDP port; None: chosen by the first start.
        trusted_source: ranges whose addresses have few limits (`RateLimits.trusted`).
        trusted_proxy: ranges of proxies whose X-Forwarded-For is trusted.
        public_url: of the pages, without a slash at its end.
        smtp_url: of the mail relay, with its password; None to send no mail.
        mail_from: sender of letters.
        sign_up: who may sign up.
        unused_days: days after which unused organizations are removed; None: never.
        metrics_token: gives programs elsewhere access to the metrics; None: no access.
        audit_days, audit_megabytes: limits of each organization's audit trail.
        security_contact: URI for reports of weaknesses; None: none.
        advisories_url: page with the operator's security advisories; None: none.
        etcd: members of the etcd that many hubs share; empty where there is one hub.
        host_name, host_address: of this host, for the calls between hosts.
        host_ca, host_cert, host_key: files of its identity.
        announce: how a shard's address comes to this host, and the link or program for it.
        standby: ``on`` if this host prepares for shards that others own.
        log: format of the log, and of the messages of a start.
    """

    data: Path
    listen: tuple[str, int]
    endpoint: Endpoint
    database_url: str = field(repr=False)
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
    audit_days: int
    audit_megabytes: int
    security_contact: str | None
    advisories_url: str | None
    etcd: tuple[tuple[str, int], ...]
    host_name: str | None
    host_address: str | None
    host_ca: Path | None
    host_cert: Path | None
    host_key: Path | None
    announce: tuple[str, str] | None
    standby: str
    unlock_secret_file: Path | None
    log: LogFormat

    @property
    def host(self) -> str:
        """Host that pages and API listen on."""
        return self.listen[0]

    @property
    def port(self) -> int:
        """TCP port of pages and API."""
        return self.listen[1]

    @property
    def has_many_hubs(self) -> bool:
        """True if this host is one of several that divide the shards among themselves."""
        return bool(self.etcd)

    @property
    def retention(self) -> Retention:
        """Limits of each organization's audit trail."""
        return Retention(self.audit_days, self.audit_megabytes * MEGABYTE)

    @property
    def relay(self) -> Relay | None:
        """Mail relay; None to send no mail."""
        if self.smtp_url is None:
            return None
        from appliance.mail import Relay

        return Relay.parse(self.smtp_url, self.mail_from)

    def environment(self) -> dict[str, str]:
        """Convert to environment variables for a process without options; the unlock secret is left out."""
        texts = {key: option.text(getattr(self, key)) for key, option in OPTIONS.items() if option.metavar}
        # Without the variable, the child would take the default.
        texts["unused_days"] = str(self.unused_days or 0)
        if self.smtp_url is None:
            # Nobody is sent a letter, and to check the address takes a tenth of the hub's start.
            texts["mail_from"] = ""
        return {variable_of(key): text for key, text in texts.items() if text}


def resolve(given: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Resolve the settings from all four sources.

    Args:
        given: values of the command line by the option's key; None and [] are not given.
        config: configuration file; None for the one of the environment, if any.

    Raises:
        CommandError: a value is invalid, or the file can't be read.
    """
    command_line = {
        key: Given(name_of(key), value) for key, value in given.items() if value is not None and value != []
    }
    chosen = {**_defaults(), **_from_file(config), **_from_environment(), **command_line}
    value: dict[str, Any] = {key: () if option.is_repeatable else None for key, option in OPTIONS.items()}
    value |= {key: value_of(OPTIONS[key], each) for key, each in chosen.items()}
    host, port = value["listen"]
    value["endpoint"] = value["endpoint"] or Endpoint(_own_address(host))
    value["database_url"] = value["database_url"] or f"sqlite:///{value['data'] / 'store' / 'meshwg.sqlite'}"
    value["public_url"] = value["public_url"] or listen_url(host, value["endpoint"].host, port)
    pages = str(urlsplit(value["public_url"]).hostname)
    value["mail_from"] = value["mail_from"] or f"meshwg@{address_literal(pages)}"
    value["unused_days"] = value["unused_days"] or None
    found = Settings(**value)
    _check(found)
    return found


def _check(settings: Settings) -> None:
    """Raise `CommandError` if two options contradict each other."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise CommandError("A certificate needs its key and a key its certificate.", Exit.NOT_CONFIGURED)
    if (settings.unused_days or 0) > settings.audit_days:
        raise CommandError(
            f"--unused-days {settings.unused_days} is more than --audit-days {settings.audit_days}: what happened "
            "longer ago is not known, and an organization would be removed that was in use.",
            Exit.NOT_CONFIGURED,
        )
    if settings.sign_up is SignUpMode.VERIFIED and settings.relay is None:
        raise CommandError(
            "--sign-up verified takes mail: without --smtp-url no link would ever arrive.", Exit.NOT_CONFIGURED
        )

    _check_many_hubs(settings)


def _check_many_hubs(settings: Settings) -> None:
    values = {key: getattr(settings, key) for key in _OF_MANY_HUBS}
    if not any(values.values()):
        if settings.standby == "on":
            raise CommandError("--standby on takes the settings of many hubs.", Exit.NOT_CONFIGURED)
        return
    missing = [name_of(key) for key, value in values.items() if not value]
    if missing:
        raise CommandError(
            f"Many hubs take all of their settings; not given: {', '.join(missing)}.", Exit.NOT_CONFIGURED
        )
    if settings.database_url.startswith("sqlite"):
        raise CommandError(
            "Many hubs share one store, which SQLite is not: give --database-url of a PostgreSQL server.",
            Exit.NOT_CONFIGURED,
        )
    if find_spec("etcd3gw") is None:
        raise CommandError(
            "Many hubs take a client of etcd, which is not installed: `pip install etcd3gw` brings it.",
            Exit.NOT_CONFIGURED,
        )


def listen_url(host: str, endpoint: str, port: int) -> str:
    """Make the URL of the pages without a proxy, without a slash at the end.

    Args:
        host: host that the service listens on.
        endpoint: host to use if the service listens on every address.
    """
    return origin(endpoint if host in EVERYWHERE else host, port)


def default_data() -> Path:
    """Get the default data folder."""
    return Path("/var/lib/meshwg" if os.geteuid() == 0 else "~/.local/share/meshwg").expanduser().resolve()


def _defaults() -> dict[str, Given]:
    defaults = {key: option.default for key, option in OPTIONS.items() if option.default is not None}
    return {key: Given(name_of(key), text) for key, text in {"data": str(default_data()), **defaults}.items()}


def _from_file(config: Path | None) -> dict[str, Given]:
    path = config or _config_of_environment()
    if path is None:
        return {}
    try:
        # Editors of Windows begin a file with a mark that is no part of its text.
        found = tomllib.loads(trust.read(path, "configuration file").decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CommandError(f"The configuration file {path} {_fault(error)}.", Exit.NOT_CONFIGURED) from None
    strangers = sorted(set(found) - set(OPTIONS))
    if strangers:
        listed = shown(", ".join(strangers))
        raise CommandError(f"{path} has keys that nobody knows: {listed}.", Exit.NOT_CONFIGURED)
    return {key: Given(f"{key} in {path}", value) for key, value in found.items()}


def _fault(error: Exception) -> str:
    """Describe why a file is no TOML, as a predicate of the file."""
    if isinstance(error, UnicodeDecodeError):
        return "has to be text in UTF-8, and is not"
    place = re.search(r"at (line \d+), (column \d+)", str(error))
    return f"is no TOML; look at {place[1]}, {place[2]}" if place else "is no TOML, or not to its end"


def _config_of_environment() -> Path | None:
    text = os.environ.get(_CONFIG_VARIABLE)
    return value_of(PATH, Given(_CONFIG_VARIABLE, text)) if text else None


def _from_environment() -> dict[str, Given]:
    variables = {key: variable_of(key) for key in OPTIONS}
    return {key: Given(name, value) for key, name in variables.items() if (value := os.environ.get(name))}


def check_names() -> None:
    """Refuse misspelt variables in the environment of a command.

    Others are nobody's mistake: an orchestrator sets variables of its own for a service with this name.

    Raises:
        CommandError: a variable's name is nearly that of a setting.
    """
    known = {*map(variable_of, OPTIONS), SECRET_VARIABLE, _CONFIG_VARIABLE}
    strangers = sorted(name for name in os.environ if name.startswith(variable_of("")) and name not in known)
    if strangers:
        from difflib import get_close_matches

        for name in strangers:
            if meant := get_close_matches(name, known, 1, _ALIKE):
                raise CommandError(
                    f"{shown(name)} in the environment is no setting; {meant[0]} is.", Exit.NOT_CONFIGURED
                )


def _own_address(listen_host: str) -> str:
    """Guess the address by which other machines reach this one."""
    if listen_host not in (*EVERYWHERE, "127.0.0.1", "::1", "localhost"):
        return listen_host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only asks the routing table (RFC 5737 address).
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
