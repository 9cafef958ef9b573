"""Use cases of the appliance, independent of the web pages, the API and the command line that call them.

Each function takes a `Context` and the `Actor` that calls it. It succeeds as a whole, or raises
`appliance.model.errors.Refused` and changes nothing.
"""

from appliance.service.context import Actor, Context

__all__ = ["Actor", "Context"]
