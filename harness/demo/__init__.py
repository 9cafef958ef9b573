"""Lab of the service's demonstration: WireGuard clients in namespaces, with steady streams between them.

``meshwg up --demo`` starts it as a program of its own. It imports only netlab and the relays, so that it needs none of
the packages that tests do.
"""
