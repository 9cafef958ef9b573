"""Side-by-side measurements of the live service: ratios to a baseline of the same run, never bare times alone."""
