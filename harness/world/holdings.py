"""Things of an organization that calls and forms can name."""

from __future__ import annotations

from harness.client import authenticator
from harness.overlay.mesh import Mesh
from harness.world.person import new_member
from harness.world.world import PASSWORD, World


def make(mesh: Mesh, name: str) -> dict[str, str]:
    """Gives an organization one thing of each kind; returns their ids by the path of their list.

    Args:
        name: name of the machine and the token, and part of the name of the machine's group.
    """
    api = mesh.api
    email = api.call("GET", "/account").body["email"]
    machine = mesh.add(name, [f"group of {name}"])["machine"]["id"]
    rule = api.call("POST", "/policy/rules", {"action": "allow", "source": "any", "destination": "any"}).body["id"]
    second = api.anonymous()
    second.call("POST", "/sessions", {"email": email, "password": PASSWORD})
    second.close()
    (member,) = api.call("GET", "/members").body["members"]
    (session,) = (each for each in api.call("GET", "/sessions").body["sessions"] if not each["current"])
    invited = api.call("POST", "/invitations", {"email": f"guest-of-{email}", "role": "viewer"}).body
    ids = {
        "/machines": machine,
        "/policy/rules": rule,
        "/sessions": session["id"],
        "/members": member["id"],
        "/invitations": invited["invitation"]["id"],
    }
    # A token needs a verified address; nobody can verify it here if the service sends real mail.
    token = api.send("POST", "/tokens", {"name": name, "scope": "read", "password": PASSWORD})
    if not str(token.body.get("type", "")).endswith(":unverified"):
        ids["/tokens"] = token.body["api_token"]["id"]
    return ids


def removal(world: World, mesh: Mesh) -> dict[str, str]:
    """Has the operator begin to remove the second factor of a new member; {} if others run the service."""
    if world.subject.is_borrowed:
        return {}
    person = new_member(mesh.api, "viewer")
    member = person.api
    secret = member.call("POST", "/account/second-factor", {"password": PASSWORD}).body["secret"]
    member.call("PUT", "/account/second-factor", {"code": authenticator.code(secret)})
    member.close()
    world.subject.service.operate(
        "admin", "factors", "remove", person.email, failure="no removal of a second factor began"
    )
    (begun,) = mesh.api.call("GET", "/factor-removals").body["factor_removals"]
    return {"/factor-removals": begun["id"]}
