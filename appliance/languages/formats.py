"""Numbers, amounts and times by the conventions of the reader's language; times are in UTC.

A script of the pages shows times in the reader's zone (``times.js``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import babel
from babel import dates, lists, numbers

from appliance.languages.reader import reader

_PAISE = 100


def number(value: float, *, decimals: int = 0) -> str:
    """Format a number with its digits in groups: ``1,234``."""
    locale = _locale()
    if 0 <= value < 999:
        # There is nothing to group, and it takes Babel twenty times as long to find out.
        return f"{value:.{decimals}f}".replace(".", numbers.get_decimal_symbol(locale))
    pattern = f"{locale.decimal_formats[None].pattern.partition('.')[0]}{'.' if decimals else ''}{'0' * decimals}"
    return numbers.format_decimal(value, pattern, locale=locale)


def rupees(paise: int) -> str:
    """Format an amount of money with its sign: ``₹1,047.00``."""
    return numbers.format_currency(paise / _PAISE, "INR", locale=_locale())


def whole_rupees(amount: int) -> str:
    """Format an amount of whole rupees: ``₹349``."""
    locale = _locale()
    pattern = locale.currency_formats["standard"].pattern.replace(".00", "")
    return numbers.format_currency(amount, "INR", pattern, locale=locale, currency_digits=False)


def moment(at: datetime) -> str:
    """Format date and time to the minute: ``30 Nov 2026, 14:05 UTC``."""
    locale = _locale()
    time = dates.format_time(_utc(at), "short", locale=locale)
    text = str(dates.get_datetime_format("medium", locale=locale)).replace("'", "")
    return f"{text.format(time, dates.format_date(_utc(at), 'medium', locale=locale))} UTC"


def day(at: datetime) -> str:
    """Format a date: ``30 Nov 2026``."""
    return dates.format_date(_utc(at), "medium", locale=_locale())


def clock(at: datetime) -> str:
    """Format the time of a day, to the second: ``14:05:09 UTC``."""
    return f"{dates.format_time(_utc(at), 'medium', locale=_locale())} UTC"


def listed(items: Sequence[str]) -> str:
    """Join texts into one: ``a, b and c``."""
    return lists.format_list(items, locale=_locale())


def _utc(at: datetime) -> datetime:
    return at.astimezone(timezone.utc)


def _locale() -> babel.Locale:
    return reader().language.locale
