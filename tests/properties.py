"""Settings of property tests: none of them is judged by the clock, and the quick profile tries fewer examples.

How long an example takes says nothing about the code, and much about the machine and what else runs there.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

DEFAULT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
SHARE = 4
"""The quick profile tries one of so many examples of the full one."""
_QUICK, _WHOLE = "quick", "full"


def load(profile: str) -> None:
    """Makes the settings of a profile those of every property; call it before the first one is collected.

    Args:
        profile: ``quick`` or ``full``.
    """
    whole = settings(DEFAULT, max_examples=DEFAULT.max_examples)
    settings.register_profile(_WHOLE, whole)
    settings.register_profile(_QUICK, whole, max_examples=_some(whole.max_examples))
    settings.load_profile(profile)


def examples(most: int) -> settings:
    """Returns settings for a property that tries so many examples at most; a share of them in the quick profile."""
    is_whole = settings.get_current_profile_name() == _WHOLE
    return settings(DEFAULT, max_examples=most if is_whole else _some(most))


def sharing_fixtures(most: int) -> settings:
    """Returns settings for a property whose examples all use what was set up once, and leave it as they found it.

    Args:
        most: how many are tried at most; a share of them in the quick profile.
    """
    shared = [*DEFAULT.suppress_health_check, HealthCheck.function_scoped_fixture]
    return settings(examples(most), suppress_health_check=shared)


def _some(most: int) -> int:
    return -(-most // SHARE)
