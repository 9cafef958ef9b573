"""Mail to people, handed to the operator's relay over SMTP."""

from appliance.mail.relay import Relay, Undeliverable, Unreachable

__all__ = ["Relay", "Undeliverable", "Unreachable"]
