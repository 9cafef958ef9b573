"""Lists of what the store holds, for people or as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from appliance.cli import existing_service
from appliance.cli.settings import Settings
from appliance.store.times import rfc3339

T = TypeVar("T")


def print_list(
    settings: Settings,
    name: str,
    query: Callable[[Connection], Sequence[T]],
    document: Callable[[T], Mapping[str, object]],
    show: Callable[[Sequence[T]], None] | None,
) -> None:
    """Print what a query finds in the store of an existing service.

    Args:
        name: key of the list in its JSON document.
        document: returns an entry for programs; its times are printed as RFC 3339 has them.
        show: prints the entries for people; None prints the JSON document.
    """
    with existing_service.opened(settings) as found, found.store.read() as transaction:
        entries = query(transaction)
    if show is None:
        print(json.dumps({name: [document(each) for each in entries]}, indent=2, default=rfc3339))
    else:
        show(entries)
