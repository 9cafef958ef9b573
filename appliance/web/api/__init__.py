"""The HTTP API under ``/api/v1``: a table of calls, from which the routes and the OpenAPI document are made."""

from appliance.web.api.routes import install

__all__ = ["install"]
