"""Drives a live hub as a customer would, measures real packets, and judges what the product claims.

A scenario gets a `world.World` (a lab with the product running in it), organizations as `mesh.Mesh`, and a
`record.Record` for what it measured. `gate` runs all of them, and the sabotages that they have to notice.
"""
