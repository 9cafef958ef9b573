"""Passkeys: add, rename, remove, log in. The script `passkeys.js` talks to the browser's authenticator."""

from __future__ import annotations

from appliance.model.access import PUBLIC, SELF
from appliance.model.errors import Refused
from appliance.service import passkeys
from appliance.web import login_guard
from appliance.web.pages import account, forms, routes, signing_in
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

_PATH = f"{account.PATH}/passkeys"


def _begin_adding(visit: Visit) -> Response:
    return _for_script(passkeys.begin_adding(visit.context, visit.actor, visit.signed_in.token))


def _add(visit: Visit) -> Response:
    return account.proven(
        visit,
        "passkey",
        lambda: passkeys.add(
            visit.context,
            visit.actor,
            visit.signed_in.token,
            password=visit.form.text("password"),
            name=visit.form.text("name"),
            credential=visit.form.text("credential"),
            code=visit.form.optional("code"),
            device=visit.request.device,
        ),
        account.entered(visit, "passkey-added"),
    )


def _rename(visit: Visit) -> Response:
    try:
        passkeys.rename(visit.context, visit.actor, visit.parameters["id"], name=visit.form.text("name"))
    except Refused as refusal:
        return account.show(visit, refusal, "passkeys")
    return visit.done(account.PATH, "passkey-renamed")


def _remove(visit: Visit) -> Response:
    return account.proven(
        visit,
        "passkeys",
        lambda: passkeys.remove(
            visit.context,
            visit.actor,
            visit.parameters["id"],
            password=visit.form.text("password"),
            device=visit.request.device,
        ),
        account.entered(visit, "passkey-removed"),
    )


def _begin_log_in(visit: Visit) -> Response:
    return _for_script(login_guard.challenge_passkey(visit.site, visit.request, forms.form_token(visit.request) or ""))


def _log_in(visit: Visit) -> Response:
    following = routes.following(visit.form)
    again = signing_in.repeated(visit)
    if again is not None:
        return again
    try:
        session = login_guard.log_in_by_passkey(
            visit.site, visit.request, forms.form_token(visit.request) or "", visit.form.text("credential")
        )
    except Refused as refusal:
        return signing_in.show(visit, following, refusal)
    return signing_in.enter(visit, session, following)


def _for_script(options: str) -> Response:
    return Response(options.encode(), headers={"Content-Type": "application/json"})


PAGES = (
    Page("POST", f"{_PATH}/options", _begin_adding, access=SELF, once=False),
    Page("POST", _PATH, _add, access=SELF, again=account.again("passkey", "name")),
    Page("POST", f"{_PATH}/<id>/name", _rename, access=SELF, again=account.again("passkeys", "name")),
    Page("POST", f"{_PATH}/<id>/remove", _remove, access=SELF, again=account.again("passkeys")),
    Page("POST", "/login/passkey/options", _begin_log_in, access=PUBLIC, once=False),
    Page("POST", "/login/passkey", _log_in, access=PUBLIC),
)
