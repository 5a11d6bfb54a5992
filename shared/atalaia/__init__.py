"""Atalaia: monitoring for people who run web services in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atalaia.asgi import instrument

__version__ = "0.1.0"
__all__ = ["__version__", "instrument"]


def __getattr__(name: str) -> object:
    """Import on first use: `import atalaia` alone loads nothing."""
    if name == "instrument":
        from atalaia.asgi import instrument

        return instrument
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
