"""The documented rates of the web process agree with the code."""

from __future__ import annotations

from appliance.web import rates
from appliance.web.allowance import Rate
from harness.paths import ROOT
from tests.rates_in_words import told

OF_NETWORKS = {
    "requests without a session": rates.STRANGERS,
    "pages without a session that keep themselves up to date": rates.PUBLIC_POLLS,
    "requests to operators' pages without a session": rates.OPERATOR_STRANGERS,
    "sign-ups": rates.SIGN_UPS,
    "wrong passwords and codes": rates.GUESSES,
    "log-ins, also right ones": rates.LOG_INS,
    "log-ins of operators": rates.OPERATOR_LOG_INS,
    "challenges of passkeys": rates.CHALLENGES,
    "requested letters": rates.LETTERS,
    "flips of the demonstration's rules": rates.DEMO_FLIPS,
}


def section() -> str:
    page = (ROOT / "docs" / "operating.md").read_text()
    return page.partition("\n## What one client can take\n")[2].partition("\n## ")[0]


def test_the_table_of_rates_agrees_with_the_code() -> None:
    rows = [[cell.strip() for cell in row.split("|")] for row in section().splitlines() if row.startswith("| ")]
    # The first column is before the first bar.
    table = {row[1]: (row[2], row[3]) for row in rows[2 : 2 + len(OF_NETWORKS)]}
    assert table == {what: (told(limit.one, ", "), told(limit.everybody, ", ")) for what, limit in OF_NETWORKS.items()}


def test_the_text_about_rates_agrees_with_the_code() -> None:
    text = " ".join(section().split())
    received, of_each = told(rates.LETTERS_RECEIVED), told(rates.LETTERS_PER_RECIPIENT)
    assert f"changes: {told(rates.OPERATOR_CHANGES, ', ')}; links: {told(rates.OPERATOR_LINKS, ', ')}" in text
    assert f"To one recipient {received} go out" in text
    assert f"To one recipient, {of_each} can be requested" in text
    assert f"Of these, {told(rates.INVITATIONS_RECEIVED)} may be invitations" in text
    assert f"{told(rates.SIGN_UP_LETTERS.one[1:])} from one address" in text


def test_the_waits_after_wrong_guesses_are_the_documented_ones() -> None:
    per_account = rates.GUESSES_PER_ACCOUNT
    waits = ", in ".join(interval(rate) for rate in per_account)
    # So many at once, and as many again that come back within the day.
    in_a_day = 2 * round(per_account[-1].amount * 86400 / per_account[-1].seconds)
    bound = f"{per_account[0].amount} at once, then with growing waits: one in {waits}; at most {in_a_day} a day"
    assert f"for an account {bound}" in section()


def interval(rate: Rate) -> str:
    minutes = rate.interval / 60
    return f"{rate.interval:.0f} seconds" if minutes <= 1 else f"{minutes:.0f} minutes"
