"""Breaks made by machine: mutants of the product, and whether proof, tests and gate notice them."""
