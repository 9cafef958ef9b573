"""Routes of the API: the table from which handlers and the OpenAPI document are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from appliance.model.access import LOOK, Access
from appliance.model.errors import Invalid, Malformed, Refused, Unauthenticated
from appliance.service import Actor, Context
from appliance.web import conditions, login_guard
from appliance.web.api import repetition
from appliance.web.api.reply import PREFIX, Encoded, Timed, reply
from appliance.web.authentication import authenticated
from appliance.web.handler import Handler
from appliance.web.payers import shares_of
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site

_SAFE = frozenset({"GET", "HEAD"})
# The field that an error of msgspec names: "… field `name`", "… - at `$.rules[0].ports`".
_AT_FAULT = re.compile(r"field `(\w+)`$|at `\$\.([^`]+)`$")


@dataclass(frozen=True)
class ApiCall:
    """A call as its handler gets it: authenticated, decoded, and within the limits.

    Attributes:
        query: parameters of the query string.
    """

    site: Site
    request: Request
    query: Mapping[str, str] = field(repr=False)
    body: Any
    signed_in: tuple[Actor, str] | None = field(repr=False)

    @property
    def context(self) -> Context:
        """Store, hub and settings of the use cases."""
        return self.site.context

    @property
    def parameters(self) -> Mapping[str, str]:
        """Values of the variable parts of the path."""
        return self.request.parameters

    @property
    def actor(self) -> Actor:
        """Caller; raises LookupError if the route needs no session."""
        if self.signed_in is None:
            raise LookupError("this call needs no session, so there is no actor")
        return self.signed_in[0]

    @property
    def token(self) -> str:
        """Caller's token; raises LookupError if the route needs no session."""
        if self.signed_in is None:
            raise LookupError("this call needs no session, so there is no token")
        return self.signed_in[1]

    @property
    def is_forced(self) -> bool:
        """True if the query says that expectations of the policy may be broken.

        Raises:
            Invalid: the parameter is neither true nor false.
        """
        text = self.query.get("force", "false")
        if text not in ("true", "false"):
            raise Invalid("force is neither true nor false.", field="force")
        return text == "true"

    def number(self, name: str) -> int | None:
        """Get a whole number from the query; None if it is not given.

        Raises:
            Invalid: it is no whole number.
        """
        text = self.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Invalid("{name} is not a whole number.", field=name, name=name)
        return int(text)


@dataclass(frozen=True)
class Route:
    """A call of the API.

    Attributes:
        path: below the prefix, with ``{name}`` for parameters.
        body: type of the body, or None. If all its fields are optional, the body may be left out.
        answer: type of the answer, or None for an empty one.
        is_list: True if body and answer are lists of these types.
        access: rights that the call needs.
        keeps_answer: True if the answer contains no secret, so that it may be kept for a repetition with the same
            Idempotency-Key.
        made: returns the path of the new resource, from the answer.
        takes_condition: True if the call takes If-Match.
        asks_for_proof: True if the body has the caller's password or code; wrong ones count (`login_guard.guessing`).
        refusals: refusals beside those that follow from the other attributes (`statuses`).
        is_timed: True if the handler tells how long enforcing took (`Timed`).
        etag: returns the answer's tag; None: for GET, a digest of the answer.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[ApiCall], Any]
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | None = None
    status: int = 200
    query: tuple[str, ...] = ()
    access: Access = field(kw_only=True)
    keeps_answer: bool = field(default=False, kw_only=True)
    is_list: bool = field(default=False, kw_only=True)
    made: Callable[[Any], str] | None = field(default=None, kw_only=True)
    etag: Callable[[Any], str] | None = field(default=None, kw_only=True)
    takes_condition: bool = field(default=False, kw_only=True)
    is_timed: bool = field(default=False, kw_only=True)
    asks_for_proof: bool = field(default=False, kw_only=True)
    refusals: tuple[type[Refused], ...] = field(default=(), kw_only=True)

    @property
    def revokes(self) -> bool:
        """True if the call takes away access to the organization or an account, which no token may do."""
        return self.method == "DELETE" and self.access.scope is None

    @property
    def changes(self) -> bool:
        """True if the call counts as a change; a call for everybody who may look, such as a preview, makes none."""
        return self.method not in _SAFE and self.access != LOOK and not self.revokes


@dataclass(frozen=True)
class Section:
    """Calls about one subject.

    Attributes:
        about: a sentence for the API's description.
    """

    name: str
    about: str
    routes: tuple[Route, ...]


def handler(route: Route, site: Site) -> Handler:
    """Make the handler of a route's requests."""
    # Not made with the first request, for the reason in CONTRIBUTING.md.
    decoder = None if route.body is None else _decoder(route.body, is_list=route.is_list)

    def answer(request: Request) -> Response:
        signed_in = _let_in(route, site, request)
        _check_condition(route, request)
        body = _decode(decoder, request.body) if decoder is not None else None
        call = ApiCall(site, request, request.query, body, signed_in)
        if route.method == "POST" and signed_in is not None:
            actor, held = signed_in
            return repetition.idempotent(
                site.context,
                request,
                actor,
                lambda noted: _reply(route, replace(call, signed_in=(noted, held))),
                may_keep=route.keeps_answer,
            )
        if route.method == "POST":
            return repetition.idempotent_for_stranger(
                site, request, lambda: _reply(route, call), may_keep=route.keeps_answer
            )
        response = _reply(route, call)
        etag = response.headers.get("ETag")
        if route.method == "GET" and etag is not None and conditions.has_it_already(request, etag):
            return reply(304, etag=etag)
        return response

    return Handler(route.method, PREFIX + route.path.replace("{", "<").replace("}", ">"), answer)


def _reply(route: Route, call: ApiCall) -> Response:
    proof = login_guard.guessing(call.site, call.request, call.actor.email) if route.asks_for_proof else nullcontext()
    with proof:
        answer = route.handler(call)
    if isinstance(answer, Timed):
        return answer.on(_response(route, answer.answer))
    return _response(route, answer)


def _response(route: Route, answer: Any) -> Response:
    if route.answer is None:
        return reply(204)
    if isinstance(answer, Encoded):
        return reply(route.status, answer.data, etag=answer.etag)
    data = msgspec.json.encode(answer)
    location = None if route.made is None else PREFIX + route.made(answer)
    if route.etag is not None:
        return reply(route.status, data, location, route.etag(answer))
    return reply(route.status, data, location, conditions.etag_of(data) if route.method == "GET" else None)


def _let_in(route: Route, site: Site, request: Request) -> tuple[Actor, str] | None:
    """Authenticate the caller within the limits; None if the route is public."""
    if route.access.is_public:
        site.limits.stranger(request.address)
        return None
    try:
        signed_in = authenticated(site, request)
    except Unauthenticated:
        site.limits.stranger(request.address)
        raise
    actor = signed_in[0]
    if route.revokes:
        site.limits.revocation(request.address, actor.member_id)
    else:
        site.limits.read(request.address, *shares_of(actor))
    # Before the change is counted: whoever may make none must not use them up.
    route.access.check(actor.role, actor.scope)
    if route.changes:
        site.limits.write(request.address, *shares_of(actor))
    return signed_in


def _check_condition(route: Route, request: Request) -> None:
    """Refuse a change whose condition the call does not look at, as it would be done without it."""
    is_looked_at = route.takes_condition or route.method in _SAFE
    if not is_looked_at and conditions.tags_seen(request) is not None:
        raise Malformed("This call takes no If-Match, and nothing was done.")


def is_optional(body: Any) -> bool:
    """True if a body of this type may be left out."""
    return isinstance(body, type) and not any(field.required for field in msgspec.structs.fields(body))


def _decoder(body: type[msgspec.Struct], *, is_list: bool) -> msgspec.json.Decoder[Any]:
    kind: Any = list[body] if is_list else body  # type: ignore[valid-type]
    return msgspec.json.Decoder(kind)


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    if not data.strip() and is_optional(decoder.type):
        return decoder.type()
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        found = _AT_FAULT.search(str(error))
        raise Invalid(
            "The body does not match the schema: {error}.", field=found and (found[1] or found[2]), error=error
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("The body is not JSON: {error}.", error=error) from None
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
