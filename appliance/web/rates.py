"""Rates of the web process's limits; `limits.RateLimits` counts by them."""

from __future__ import annotations

from appliance.web.allowance import Rate
from appliance.web.network_allowance import NetworkRates

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0

SIGN_UPS = NetworkRates((Rate(20, _HOUR),), everybody=(Rate(300, _HOUR), Rate(1500, _DAY)))
# Of a letter's link, among everybody's: it makes one organization, and holds for a day.
SIGN_UPS_PER_LINK = (Rate(1, _DAY),)
# Five at once, then one in 12 seconds, after fifteen one in a minute, after fifty one in half an hour: the waits grow,
# and in no day are there more than a hundred (NIST SP 800-63B, 3.2.2).
GUESSES_PER_ACCOUNT = (Rate(5, _MINUTE), Rate(15, 15 * _MINUTE), Rate(50, _DAY))
GUESSES = NetworkRates((Rate(30, _MINUTE), Rate(200, _HOUR)), everybody=(Rate(1200, _MINUTE),))
# Correct passwords are counted too, as hashing them is work.
LOG_INS = NetworkRates((Rate(120, _MINUTE),), everybody=(Rate(1800, _MINUTE),))
# Few people sign in here at all. Strangers who use everybody's amount up slow no member down, and no operator who has
# signed in from the same network before.
OPERATOR_LOG_INS = NetworkRates((Rate(20, _MINUTE),), everybody=(Rate(60, _MINUTE),))
# Each is an entry in the log of operations.
OPERATOR_CHANGES = (Rate(60, _MINUTE), Rate(2000, _DAY))
OPERATOR_LINKS = (Rate(30, _HOUR), Rate(100, _DAY))
STRANGERS = NetworkRates((Rate(600, _MINUTE),), everybody=(Rate(18_000, _MINUTE),))
# Of operators' pages, apart: other strangers use up nothing that an operator's sign-in needs.
OPERATOR_STRANGERS = NetworkRates((Rate(120, _MINUTE),), everybody=(Rate(3000, _MINUTE),))
CHALLENGES = NetworkRates((Rate(60, _MINUTE),), everybody=(Rate(1200, _MINUTE),))
LETTERS = NetworkRates((Rate(20, _HOUR),), everybody=(Rate(600, _HOUR),))
# Apart from the others, so that strangers who ask for these keep no reset from anybody. The second rate leaves room for
# other networks among the unused permits (`permits.MOST`).
SIGN_UP_LETTERS = NetworkRates((Rate(20, _HOUR), Rate(200, _DAY)), everybody=(Rate(600, _HOUR),))
# Polls of public pages: with those that everybody may make, strangers use up nothing that a sign-in needs.
PUBLIC_POLLS = NetworkRates((Rate(300, _MINUTE),), everybody=(Rate(3000, _MINUTE),))
# Each is a change that the hub makes, and an entry in the demonstration's audit trail.
DEMO_FLIPS = NetworkRates((Rate(12, _MINUTE), Rate(100, _HOUR)), everybody=(Rate(60, _MINUTE), Rate(600, _HOUR)))
READS_PER_ORGANIZATION = (Rate(3000, _MINUTE),)
# A fifth of the reads, so that pages that are left open, however many, keep nobody from reading.
POLLS_PER_ORGANIZATION = (Rate(600, _MINUTE),)
# For all kinds of letters together, when they are sent.
LETTERS_RECEIVED = (Rate(9, _HOUR), Rate(30, _DAY))
# With sign-up links and the other letters that somebody asks for (`LETTERS_PER_RECIPIENT` each) these are no more
# than what an address receives, so that others keep no link from a person who needs one. Letters that somebody causes
# by a sign-up with the address count with sign-up links.
INVITATIONS_RECEIVED = (Rate(3, _HOUR), Rate(10, _DAY))
LETTERS_PER_ORGANIZATION = (Rate(60, _HOUR), Rate(200, _DAY))
LETTERS_PER_RECIPIENT = (Rate(3, _HOUR), Rate(10, _DAY))
WRITES_PER_ORGANIZATION = (Rate(300, _MINUTE),)
CONFIGURATIONS_PER_ORGANIZATION = (Rate(60, _MINUTE), Rate(2000, _DAY))
# Of a person: taking access away is possible whatever others of the organization do.
REVOCATIONS = (Rate(60, _MINUTE),)
# Each may take a thread for two seconds.
PINGS_PER_ORGANIZATION = (Rate(12, _MINUTE),)
# Each may take a second of processor time of the hub.
MEASUREMENTS_PER_ORGANIZATION = (Rate(6, _MINUTE),)
# Each adds a permanent line to the usage meter. A restored large organization may enable all machines at once.
ENABLINGS_PER_ORGANIZATION = (Rate(10_000, 5 * _DAY),)
INVITATIONS_PER_ORGANIZATION = (Rate(30, _HOUR), Rate(100, _DAY))
