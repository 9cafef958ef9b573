"""Options of this package's commands.

Its modules import nothing that the commands need, so that their help works without the harness's dependencies.
"""
