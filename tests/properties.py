"""Settings of property tests: none of them is judged by the clock.

How long an example takes says nothing about the code, and much about the machine and what else runs there.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

DEFAULT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
_PROFILE = "any-machine"


def load() -> None:
    """Makes `DEFAULT` the settings of every property; call it before the first one is collected."""
    settings.register_profile(_PROFILE, DEFAULT)
    settings.load_profile(_PROFILE)


def sharing_fixtures(examples: int) -> settings:
    """Return settings for a property whose examples all use what was set up once, and leave it as they found it.

    Args:
        examples: how many are tried at most.
    """
    shared = [*DEFAULT.suppress_health_check, HealthCheck.function_scoped_fixture]
    return settings(DEFAULT, max_examples=examples, suppress_health_check=shared)
