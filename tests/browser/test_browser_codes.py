"""QR codes on a screen as a camera sees them: two programs read screenshots."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.appliance import scanner
from tests.appliance.members import PASSWORD
from tests.browser.conftest import Desk

pytestmark = pytest.mark.long

WIDEST = 320.0
"""Pixels of a code, on a desk and on a phone of 360 pixels."""
LONGEST = "\U0001f30d" * 255


def read(code: Locator) -> dict[str, list[str]]:
    """Reads the text of a code, and checks that the code has the size that the page gives."""
    box = code.locator("svg").bounding_box()
    assert box is not None
    assert box["width"] == box["height"] == WIDEST
    return scanner.read(scanner.opened(code.screenshot()))


@pytest.mark.drawn("width", "dark")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (820, True), (360, False)])
def test_a_configuration_s_qr_code_is_readable_for_any_names(
    open_desk: Callable[..., Desk], width: int, dark: bool
) -> None:
    desk = open_desk(width=width, dark=dark)
    desk.sign_up(f"{width}@code.example", LONGEST)
    for name in ("m", LONGEST):
        desk.add_machine(name)
        text = desk.page.locator("pre.file").first.text_content() or ""
        wanted = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
        assert "PrivateKey" in wanted
        assert read(desk.page.get_by_role("img", name="QR code of this configuration")) == {
            "zbar": [wanted], "zxing": [wanted],
        }  # fmt: skip


@pytest.mark.drawn("width")
@pytest.mark.parametrize("width", [1200, 360])
def test_a_second_factor_s_qr_code_is_readable_for_any_address(open_desk: Callable[..., Desk], width: int) -> None:
    desk = open_desk(width=width)
    # A browser takes no longer name in a field for e-mail addresses.
    desk.sign_up(f"{str(width) * 16}@{'b' * 60}.{'c' * 60}.{'d' * 54}.example")
    desk.open("/account")
    form = desk.page.locator("form[action='/account/second-factor']")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button").click()
    secret = desk.page.locator("pre.file")
    expect(secret).to_be_visible()
    found = read(desk.page.get_by_role("img", name="QR code for an authenticator"))
    assert found["zbar"] == found["zxing"]
    (text,) = found["zbar"]
    assert f"secret={secret.text_content()}&" in text
