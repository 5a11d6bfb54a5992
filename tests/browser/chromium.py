"""The Chromium that is installed here: found, never downloaded."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str:
    """Return its path.

    Raises:
        FileNotFoundError: there is none.
    """
    named = os.environ.get("ATALAIA_CHROMIUM", "")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), "")
    if not found:
        raise FileNotFoundError(
            f"no Chromium was found ({', '.join(NAMES)}): install one, or set ATALAIA_CHROMIUM to its path"
        )
    return found


def flags() -> list[str]:
    return [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else [*FLAGS]
