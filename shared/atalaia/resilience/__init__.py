"""Decisions that keep a caller alive while a dependency is not."""
