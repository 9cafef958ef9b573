"""Sabotages of names."""

from __future__ import annotations

import unicodedata

import jinja2

from appliance.model import names, policy
from appliance.model.file_names import interface_names
from appliance.model.organization import Machine
from appliance.service import accounts, machines, organizations
from appliance.web.pages import view
from harness.sabotage.parts import replace_part

_SHORT = 200
_LONGEST_FILE = 15
_check_name = names.check_name
_is_plain = names.is_plain


def cut_names() -> None:
    """Cuts names to 200 characters without an error."""

    def check_name(text: str, *, field: str = "name", longest: int = names.LONGEST_NAME) -> str:
        return _check_name(text, field=field, longest=longest)[:_SHORT]

    for module in (names, accounts, machines, organizations):
        replace_part(module, "check_name", check_name)


def let_names_hide_characters() -> None:
    """Lets names have characters that nobody sees, and such that turn the direction of the text."""
    names.is_plain = lambda character: unicodedata.category(character) == "Cf" or _is_plain(character)


def call_files_by_how_names_begin() -> None:
    """Names a configuration's file by the first characters of the machine's name."""

    def file_name(machine: Machine) -> str:
        return f"{next(interface_names(machine.name[:_LONGEST_FILE]))}.conf"

    Machine.file_name = property(file_name)  # type: ignore[assignment]


def show_names_raw() -> None:
    """Switches escaping in templates off."""
    environment = jinja2.Environment.__init__

    def init(self: jinja2.Environment, *arguments: object, **options: object) -> None:
        environment(self, *arguments, **{**options, "autoescape": False})  # type: ignore[arg-type]

    jinja2.Environment.__init__ = init  # type: ignore[method-assign]
    view.loaded.cache_clear()


def leave_groups_of_rules_as_spelled() -> None:
    """Keeps a group's name as a rule spells it, in place of the composed form that machines have."""

    def check_group(text: str, *, field: str) -> str:
        names.check_group(text, field=field)
        return text

    replace_part(policy, "check_group", check_group)
