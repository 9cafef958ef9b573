"""Automatic breaks: mutants of the product, and whether proof, tests and gate notice them."""
