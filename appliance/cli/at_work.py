"""Store and use cases for an operator's commands, which may run beside the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.cli import existing_service
from appliance.cli.errors import CommandError, Exit
from appliance.cli.existing_service import ExistingService
from appliance.cli.settings import Settings
from appliance.model.errors import NotEnforced, NotFound, Refused, Unavailable
from appliance.service import Context


@contextmanager
def at_work(settings: Settings) -> Iterator[tuple[ExistingService, Context]]:
    """Open the store, and make the context of use cases; their refusals become `CommandError`.

    Raises:
        CommandError: a use case refused, or there is no store.
    """
    with existing_service.opened(settings) as found:
        # With many hubs, each shard has an address and port of its own.
        endpoint = settings.endpoint.in_full(found.instance.port or 0)
        context = Context(found.store, found.hubs(), endpoint, settings.public_url)
        try:
            yield found, context
        except NotEnforced as error:
            raise CommandError(error.detail, Exit.UNAVAILABLE) from None
        except Unavailable as error:
            raise CommandError(error.detail, Exit.CANNOT_CREATE) from None
        except NotFound as error:
            raise CommandError(error.detail, Exit.NO_INPUT) from None
        except Refused as error:
            raise CommandError(error.detail, Exit.REFUSED) from None
