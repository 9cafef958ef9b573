"""Names stay on one line and never read as syntax of a configuration or a rule."""

from __future__ import annotations

import unicodedata
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.model import names
from appliance.model.configuration import Configuration
from appliance.model.errors import Invalid
from appliance.model.names import LONGEST_NAME, check_name, check_new_group
from appliance.model.policy import Selector


@given(st.text(max_size=300))
def test_a_name_is_refused_or_stays_on_one_line(text: str) -> None:
    try:
        name = check_name(text)
    except Invalid:
        return
    assert name.splitlines() == [name]
    assert 0 < len(name) <= LONGEST_NAME
    assert check_name(name) == name


@pytest.mark.parametrize(
    "text", ["a" + "\u0301" * 300_000 + "\u0327" * 300_000, "a\u0301" * 511], ids=["one character", "many"]
)
def test_a_name_of_too_many_code_points_is_never_composed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Composition takes hours for the first text, in one step that lets no other thread run.
    monkeypatch.setattr(names, "unicodedata", None)
    with pytest.raises(Invalid, match=f"The name has {len(text)} characters; 255 is the most"):
        check_name(text)


def test_a_name_may_be_typed_decomposed() -> None:
    typed = "\u01d8" * 255
    assert check_name(unicodedata.normalize("NFD", typed)) == typed


@given(
    st.text(
        st.characters(exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs", "M"]), min_size=1, max_size=80
    )
)
def test_visible_text_is_a_name(text: str) -> None:
    assume(not set(text) <= set("\u115f\u1160\u3164\uffa0\u2800"))
    assert check_name(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 255,
        "\U0001f9d1\u200d\U0001f4bb",  # joined emoji
        "\u0915\u094d\u200d\u0937",  # Devanagari with a joiner
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian with a non-joiner
        "=1+1",
        "-rf /",
        "<b>&amp;",
        "a / b \\ c",
        "\u2764\ufe0f",
    ],
)
def test_unusual_names_are_accepted_unchanged(text: str) -> None:
    assert check_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "any",
        "Any",
        "ANY machine",
        "machine:x",
        "machine : x",
        "GROUP:office",
        "resource:",
        "\uff41\uff4e\uff59",
        "machine\uff1ax",
    ],
)
def test_a_group_name_like_a_selector_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="Choose another name"):
        check_new_group(text)


@pytest.mark.parametrize("text", ["anybody", "company", "machines", "the machine: x", "group", "10.0.0.0/8"])
def test_other_group_names_are_accepted(text: str) -> None:
    check_new_group(text)


@given(st.one_of(st.text(max_size=20), st.text("anymchiegroupsu: ", max_size=12)))
def test_an_accepted_group_name_never_parses_as_a_selector(text: str) -> None:
    try:
        check_new_group(text)
    except Invalid:
        return
    with pytest.raises(Invalid):
        Selector.parse(text, field="source")


def test_length_is_counted_in_the_composed_form() -> None:
    assert check_name("u\u0308" * 255) == "\u00fc" * 255
    with pytest.raises(Invalid):
        check_name("u\u0308" * 256)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\u3000\u00a0",
        "a\nb",
        "a\n",
        "\ta",
        "a\rb",
        "a\x1bb",
        "a\u2028b",
        "a\u0085b",
        "a\x00b",
        "a\u202eb",
        "a\u200bb",
        "a\ufeff",
        "a\u00adb",
        "a\ue000b",
        "\U000e0041a",
        "x" * 256,
        "\ud800",
        "\u200d",
        "\u3164",
        "\u0301",
    ],
)
def test_names_that_do_not_show_on_one_line_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_name(text)


def test_composed_and_decomposed_forms_are_one_name() -> None:
    assert check_name("Zu\u0308rich") == check_name("Z\u00fcrich")


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
    # wg-quick ignores a line from the first "#" on.
    assert [line.split("#")[0] for line in lines if line.startswith("#")] == ["", ""]
