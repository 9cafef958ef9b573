"""What a hostile tenant or stranger does to a service, as functions that scenarios run beside an ordinary tenant."""
