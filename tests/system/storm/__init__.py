"""The fault harness: generated sources, faults, and books that must balance.

`python -m tests.system.storm --help` runs it by hand.
"""
