"""E-mail to people, sent through the operator's SMTP relay."""

from appliance.mail.relay import Relay, Undeliverable, Unreachable

__all__ = ["Relay", "Undeliverable", "Unreachable"]
