"""Atalaia: monitoring for people who run web services in Python."""

__version__ = "0.1.0"
