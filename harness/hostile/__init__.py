"""Attacks of a hostile tenant or a stranger. Scenarios run them beside an ordinary tenant."""
