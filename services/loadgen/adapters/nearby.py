"""Where the broker is, as far as one knows here. Apart from the publisher, which takes long to import."""

from __future__ import annotations

import os
import shlex


def nats_url(given: str | None) -> str:
    """Return where to publish: as told, NATS_URL, or the broker of the platform here; "" for nowhere."""
    if given == "off":
        return ""
    if given or os.environ.get("NATS_URL"):
        return given or os.environ["NATS_URL"]
    from atalaia.settings import data_dir_of  # slow to import, and rarely needed

    try:
        lines = (data_dir_of(os.environ) / "env").read_text().splitlines()
    except OSError:
        return ""
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return "".join(shlex.split(pairs.get("NATS_URL", "")))
