"""Use cases: what people and programs may ask of the appliance, apart from how they ask.

Each function takes a `Workplace` and the `Actor` who asks, and either does all of it or raises
`appliance.model.errors.Refused`.
"""

from appliance.service.workplace import Actor, Workplace

__all__ = ["Actor", "Workplace"]
