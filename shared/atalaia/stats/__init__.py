"""Arithmetic over measurements: pure, no clock, no I/O."""

from atalaia.stats.histogram import Dense, Histogram

__all__ = ["Dense", "Histogram"]
