"""One output for many children: each line under its name, coloured where a terminal shows it."""

from __future__ import annotations

import os
from itertools import cycle
from typing import TextIO

from atalaia.embedded.child import Sink

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)


class Console:
    """Writes whole lines. `plain` writes one as it is, for programs that wait for it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._coloured = out.isatty() and not os.environ.get("NO_COLOR")
        self._next_colour = cycle(_COLOURS)
        self._sinks: dict[str, Sink] = {}

    def sink(self, name: str) -> Sink:
        """Return where the lines of `name` go."""
        if name not in self._sinks:
            prefix = f"{name:<9}| "
            if self._coloured:
                prefix = f"\x1b[{next(self._next_colour)}m{prefix}\x1b[0m"
            self._sinks[name] = lambda line: self.plain(prefix + line)
        return self._sinks[name]

    def plain(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except OSError:  # nobody reads any more; the work goes on
            return
