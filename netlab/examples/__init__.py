"""Labs to read, to run, and to build on."""
