"""Names are data: on one line, and never syntax."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.configuration import Configuration
from appliance.model.errors import Invalid
from appliance.model.names import LONGEST_NAME, check_name, interface_name


@given(st.text(max_size=250))
def test_a_name_is_refused_or_stays_on_one_line(text: str) -> None:
    try:
        name = check_name(text)
    except Invalid:
        return
    assert name.splitlines() == [name]
    assert 0 < len(name) <= LONGEST_NAME
    assert check_name(name) == name


@pytest.mark.parametrize(
    "text", ["", "   ", "a\nb", "a\rb", "a\u2028b", "a\u0085b", "a\x00b", "a\u202eb", "x" * 201, "\ud800"]
)
def test_what_can_t_be_shown_on_a_line_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_name(text)


def test_composed_and_decomposed_forms_are_one_name() -> None:
    assert check_name("Zu\u0308rich") == check_name("Z\u00fcrich")


@given(st.text(max_size=250))
def test_every_name_gives_a_valid_interface(text: str) -> None:
    name = interface_name(text)
    assert re.fullmatch(r"[a-zA-Z0-9_=+.-]{1,15}", name)
    assert name not in (".", "..")
    assert re.search(r"[a-zA-Z0-9]", name)


def test_names_without_latin_letters_get_different_files() -> None:
    assert interface_name("मुंबई") != interface_name("पुणे")
    assert interface_name("branch-mumbai") == "branch-mumbai"


@given(st.text(max_size=250), st.text(max_size=250))
def test_no_name_adds_a_line_to_the_configuration(machine: str, organization: str) -> None:
    try:
        names = check_name(machine), check_name(organization)
    except Invalid:
        return
    text = Configuration(
        machine=names[0],
        organization=names[1],
        private_key="K",
        address=IPv4Address("10.100.0.2"),
        network=IPv4Network("10.100.0.0/16"),
        hub_public_key="P",
        endpoint="vpn.example.net:51820",
    ).text()
    lines = text.splitlines()
    assert len(lines) == 12
    # What wg-quick reads of a line is what stands before the first "#".
    assert [line.split("#")[0] for line in lines if line.startswith("#")] == ["", ""]
