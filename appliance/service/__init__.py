"""Use cases: what people and programs may ask of the appliance, apart from how they ask.

Each function takes a `Context` and the `Actor` who asks, and either does all of it or raises
`appliance.model.errors.Refused`.
"""

from appliance.service.context import Actor, Context

__all__ = ["Actor", "Context"]
