"""Attacks of a hostile tenant or a stranger, as functions that scenarios run beside an ordinary tenant."""
