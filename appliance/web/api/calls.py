"""Every call of the API."""

from __future__ import annotations

from appliance.model.errors import Invalid, Unauthenticated
from appliance.model.ids import new_id
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, parse_ports
from appliance.service import accounts, machines, organizations, usage
from appliance.service import policy as policies
from appliance.web import request
from appliance.web.api import shapes
from appliance.web.api.routes import Asked, Call


def _sign_up(asked: Asked) -> shapes.SignedUp:
    body: shapes.SignUp = asked.body
    asked.site.limits.sign_up(request.address())
    session, organization = accounts.sign_up(
        asked.site.workplace,
        email=body.email,
        password=body.password,
        organization=body.organization,
        network=body.network,
    )
    return shapes.SignedUp(session.token, shapes.OrganizationAnswer.of(organization, asked.site.workplace))


def _log_in(asked: Asked) -> shapes.SessionAnswer:
    body: shapes.LogIn = asked.body
    session = log_in(asked.site, body.email, body.password)
    return shapes.SessionAnswer(session.token, shapes.moment(session.expires_at))


def log_in(site: request.Site, email: str, password: str) -> accounts.Session:
    """Logs in within the limits; a failed attempt counts, a successful one does not."""
    site.limits.log_in(request.address(), email)
    try:
        return accounts.log_in(site.workplace, email=email, password=password)
    except Unauthenticated:
        site.limits.log_in_failed(request.address(), email)
        raise


def _log_out(asked: Asked) -> None:
    if asked.signed_in is not None:
        accounts.log_out(asked.site.workplace, asked.signed_in[1])


def _organization(asked: Asked) -> shapes.OrganizationAnswer:
    workplace = asked.site.workplace
    return shapes.OrganizationAnswer.of(organizations.get(workplace, asked.actor), workplace)


def _change_organization(asked: Asked) -> shapes.OrganizationAnswer:
    body: shapes.ChangeOrganization = asked.body
    workplace = asked.site.workplace
    changed = organizations.change(workplace, asked.actor, name=body.name, plan=body.plan)
    return shapes.OrganizationAnswer.of(changed, workplace)


def _delete_organization(asked: Asked) -> shapes.Removed:
    body: shapes.DeleteOrganization = asked.body
    return shapes.Removed(organizations.delete(asked.site.workplace, asked.actor, confirm=body.confirm))


def _add_machine(asked: Asked) -> shapes.IssuedAnswer:
    body: shapes.AddMachine = asked.body
    asked.site.limits.configuration(request.address(), asked.actor.organization_id)
    issued = machines.add(
        asked.site.workplace, asked.actor, name=body.name, groups=body.groups, public_key=body.public_key
    )
    return shapes.IssuedAnswer.of(issued)


def _machines(asked: Asked) -> shapes.MachinesAnswer:
    limit = asked.number("limit")
    seen, following = machines.page(
        asked.site.workplace,
        asked.actor,
        after=asked.query.get("after"),
        limit=machines.LONGEST_PAGE if limit is None else limit,
    )
    return shapes.MachinesAnswer([shapes.MachineAnswer.of(each) for each in seen], following)


def _machine(asked: Asked) -> shapes.MachineAnswer:
    return shapes.MachineAnswer.of(machines.get(asked.site.workplace, asked.actor, asked.parameters["id"]))


def _change_machine(asked: Asked) -> shapes.MachineAnswer:
    body: shapes.ChangeMachine = asked.body
    changed = machines.change(
        asked.site.workplace, asked.actor, asked.parameters["id"], name=body.name, groups=body.groups
    )
    return shapes.MachineAnswer.of(changed)


def _rotate_machine(asked: Asked) -> shapes.IssuedAnswer:
    body: shapes.RotateMachine = asked.body
    asked.site.limits.configuration(request.address(), asked.actor.organization_id)
    issued = machines.rotate(asked.site.workplace, asked.actor, asked.parameters["id"], public_key=body.public_key)
    return shapes.IssuedAnswer.of(issued)


def _remove_machine(asked: Asked) -> None:
    machines.remove(asked.site.workplace, asked.actor, asked.parameters["id"])


def _policy(asked: Asked) -> shapes.PolicyAnswer:
    return shapes.PolicyAnswer.of(policies.get(asked.site.workplace, asked.actor))


def _save_policy(asked: Asked) -> shapes.PolicyAnswer:
    body: shapes.SavePolicy = asked.body
    policy = Policy(read_action(body.default, "default"), tuple(read_rule(rule) for rule in body.rules))
    return shapes.PolicyAnswer.of(policies.save(asked.site.workplace, asked.actor, policy, version=body.version))


def _add_rule(asked: Asked) -> shapes.RuleAnswer:
    return shapes.RuleAnswer.of(policies.add_rule(asked.site.workplace, asked.actor, read_rule(asked.body)))


def _remove_rule(asked: Asked) -> None:
    policies.remove_rule(asked.site.workplace, asked.actor, asked.parameters["id"])


def _check_policy(asked: Asked) -> shapes.VerdictAnswer:
    body: shapes.CheckPolicy = asked.body
    verdict = policies.check(
        asked.site.workplace,
        asked.actor,
        source=body.source,
        destination=body.destination,
        protocol=read_protocol(body.protocol or Protocol.ANY.value),
        port=body.port,
    )
    rule = shapes.RuleAnswer.of(verdict.rule) if verdict.rule is not None else None
    return shapes.VerdictAnswer(verdict.action.value, rule)


def _counters(asked: Asked) -> shapes.CountersAnswer:
    return shapes.CountersAnswer.of(policies.counters(asked.site.workplace, asked.actor))


def _audit(asked: Asked) -> shapes.AuditAnswer:
    limit = asked.number("limit")
    entries, following = organizations.trail(
        asked.site.workplace, asked.actor, before=asked.number("before"), limit=100 if limit is None else limit
    )
    return shapes.AuditAnswer([shapes.AuditEntryAnswer.of(entry) for entry in entries], following)


def _usage(asked: Asked) -> shapes.UsageAnswer:
    months = usage.statement(asked.site.workplace, asked.actor)
    after, limit = asked.query.get("after", ""), asked.number("limit")
    later = [month for month in months if month.month > after]
    page = later if limit is None else later[: max(1, limit)]
    return shapes.UsageAnswer(
        [shapes.MonthAnswer.of(month, usage.CURRENCY) for month in page],
        page[-1].month if len(later) > len(page) else None,
    )


def read_rule(body: shapes.RuleBody) -> Rule:
    """A rule as it was sent. Its id is ours to give: two organizations could send the same one."""
    return Rule(
        id=new_id(),
        action=read_action(body.action, "action"),
        source=Selector.parse(body.source, field="source"),
        destination=Selector.parse(body.destination, field="destination"),
        protocol=read_protocol(body.protocol),
        ports=parse_ports(body.ports or ""),
        description=body.description,
    )


def read_action(text: str, field: str) -> Action:
    """Raises `Invalid` unless it is allow or deny."""
    try:
        return Action(text)
    except ValueError:
        raise Invalid(f"The {field} is neither allow nor deny.", field=field) from None


def read_protocol(text: str) -> Protocol:
    """Raises `Invalid` unless it is any, tcp, udp or icmp."""
    try:
        return Protocol(text)
    except ValueError:
        raise Invalid("The protocol is not any, tcp, udp or icmp.", field="protocol") from None


CALLS = (
    Call("POST", "/signup", "Sign up an organization", _sign_up, shapes.SignUp, shapes.SignedUp, 201, public=True),
    Call("POST", "/sessions", "Log in", _log_in, shapes.LogIn, shapes.SessionAnswer, 201, public=True),
    Call("DELETE", "/sessions/current", "Log out", _log_out, status=204),
    Call("GET", "/organization", "The organization", _organization, answer=shapes.OrganizationAnswer),
    Call(
        "PATCH",
        "/organization",
        "Change name or plan",
        _change_organization,
        shapes.ChangeOrganization,
        shapes.OrganizationAnswer,
    ),
    Call(
        "DELETE",
        "/organization",
        "Delete the organization and everything that belongs to it",
        _delete_organization,
        shapes.DeleteOrganization,
        shapes.Removed,
    ),
    Call("POST", "/machines", "Add a machine", _add_machine, shapes.AddMachine, shapes.IssuedAnswer, 201),
    Call("GET", "/machines", "The machines", _machines, answer=shapes.MachinesAnswer, query=("after", "limit")),
    Call("GET", "/machines/{id}", "A machine", _machine, answer=shapes.MachineAnswer),
    Call("PATCH", "/machines/{id}", "Rename or regroup", _change_machine, shapes.ChangeMachine, shapes.MachineAnswer),
    Call(
        "POST",
        "/machines/{id}/rotate",
        "A new key; the old one stops at once",
        _rotate_machine,
        shapes.RotateMachine,
        shapes.IssuedAnswer,
    ),
    Call("DELETE", "/machines/{id}", "Remove a machine", _remove_machine, status=204),
    Call("GET", "/policy", "The policy", _policy, answer=shapes.PolicyAnswer),
    Call("PUT", "/policy", "Save the policy", _save_policy, shapes.SavePolicy, shapes.PolicyAnswer),
    Call("POST", "/policy/rules", "Add a rule", _add_rule, shapes.RuleBody, shapes.RuleAnswer, 201),
    Call("DELETE", "/policy/rules/{id}", "Remove a rule", _remove_rule, status=204),
    Call(
        "POST",
        "/policy/check",
        "What would become of a connection",
        _check_policy,
        shapes.CheckPolicy,
        shapes.VerdictAnswer,
    ),
    Call("GET", "/policy/counters", "What each rule decided", _counters, answer=shapes.CountersAnswer),
    Call("GET", "/audit", "The audit trail", _audit, answer=shapes.AuditAnswer, query=("before", "limit")),
    Call("GET", "/usage", "Machine-months", _usage, answer=shapes.UsageAnswer, query=("after", "limit")),
)
