"""The lab that scenarios run in, and the people and accidents in it."""
