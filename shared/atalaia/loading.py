"""How a process imports what it runs: once, and quickly, for whoever waits for a restart waits for this."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading(*, without: tuple[str, ...] = ()) -> Iterator[None]:
    """Do the imports of a process inside.

    `without` names packages that libraries load wherever they are installed, for what is not used here:
    inside they cannot be imported (`sys.modules[name] = None` is Python's own way to say so), afterwards
    they can. What was imported before stays.
    """
    absent = [name for name in without if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    gc.disable()  # what is imported stays: to look through it for garbage, over and over, is in vain
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
