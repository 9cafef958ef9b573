"""Sabotages of configurations, and of the names and keys in them."""

from __future__ import annotations

import re
from dataclasses import replace

from appliance.hub.kernel import links, routing
from appliance.model import keys, names
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.configuration import Configuration
from appliance.service import accounts, machines
from harness.sabotage.parts import NothingReplaced, replace_part

_text = Configuration.text


def name_another_hub_key() -> None:
    """Names a valid key that is not the organization's."""
    stranger = keys.new_key_pair().public
    Configuration.text = lambda self: _text(replace(self, hub_public_key=stranger))  # type: ignore[method-assign]


def let_names_start_lines() -> None:
    """Checks only the length of names."""

    def check_name(text: str, *, field: str = "name", longest: int = names.LONGEST_NAME) -> str:
        del field
        return text.strip()[:longest]

    for module in (machines, accounts):
        replace_part(module, "check_name", check_name)


def forget_the_keepalive() -> None:
    """Leaves out the line of PersistentKeepalive."""

    def text(self: Configuration) -> str:
        lines = _text(self).splitlines(keepends=True)
        others = [line for line in lines if not line.startswith("PersistentKeepalive")]
        if others == lines:
            raise NothingReplaced("a configuration has no PersistentKeepalive")
        return "".join(others)

    Configuration.text = text  # type: ignore[method-assign]


def comment_values() -> None:
    """Puts comments behind the hub's values; wg-quick leaves out what follows a "#", and other readers need not."""

    def text(self: Configuration) -> str:
        plain = _text(self)
        commented = plain.replace(self.endpoint, f"{self.endpoint} # the hub").replace(
            f"= {self.network}", f"= {self.network} # the whole network"
        )
        if commented == plain:
            raise NothingReplaced("a configuration has no endpoint and no network")
        return commented

    Configuration.text = text  # type: ignore[method-assign]


def ignore_given_keys() -> None:
    """Checks a machine's own public key, and stores a new one."""

    def check_public_key(text: str) -> str:
        keys.check_public_key(text)
        return keys.new_key_pair().public

    replace_part(machines, "check_public_key", check_public_key)


def name_the_default_range() -> None:
    """Leads the default range to the hub, whatever range the organization has chosen."""

    def text(self: Configuration) -> str:
        return re.sub(r"(AllowedIPs +=) .*", rf"\1 {DEFAULT_NETWORK}", _text(self))

    Configuration.text = text  # type: ignore[method-assign]


def make_narrow_links() -> None:
    """Makes the hub's links with a smaller MTU than configurations name."""
    for module in (links, routing):
        replace_part(module, "MTU", 1280)
