"""Arithmetic over measurements: pure, no clock, no I/O."""

from atalaia.stats.histogram import Histogram

__all__ = ["Histogram"]
