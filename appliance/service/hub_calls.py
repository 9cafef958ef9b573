"""Errors of calls to the hub as refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.hub.errors import Crowded, HubError
from appliance.model.errors import Refused, TooMany
from appliance.model.sentences import Sentence


@contextmanager
def refused_as(otherwise: Refused) -> Iterator[None]:
    """Raise a refusal in place of an error of a call to the hub.

    Args:
        otherwise: refusal for every error but a used-up share.

    Raises:
        TooMany: the organization, or all together, have used up their share.
    """
    try:
        yield
    except Crowded as error:
        raise TooMany(Sentence(str(error)), retry_after=error.retry_after) from error
    except HubError as error:
        raise otherwise from error
