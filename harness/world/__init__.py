"""Lab that scenarios run in, with its customers, their surroundings, and damage to the hub."""
