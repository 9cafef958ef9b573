"""Second engine: a namespace's rules and a policy as one formula over bit-vectors, for which z3 finds a packet or none.

It shares the parsed ruleset, routes and settings with the first engine, and the words for a packet that was found. What
expressions, connection tracking and the policy mean is written here once more, from the same sources.
"""
