"""Where the broker is, as far as one knows here. Apart from the publisher, which takes long to import."""

from __future__ import annotations

import os
import shlex

from atalaia.errors import Misconfigured
from atalaia.urls import brokers, without_password


def nats_url(given: str | None) -> str:
    """Return where to publish: as told, NATS_URL, or the broker of the platform here; "" for nowhere.

    Raises:
        Misconfigured: what was told is no broker's URL.
    """
    if given == "off":
        return ""
    if url := given or os.environ.get("NATS_URL"):
        try:
            brokers(url)
        except ValueError as error:
            where = "--nats" if given else "NATS_URL"
            raise Misconfigured(f"{where} is {without_password(url)!r}: {error}") from None
        return url
    from atalaia.settings import data_dir_of  # slow to import, and rarely needed

    try:
        lines = (data_dir_of(os.environ) / "env").read_text().splitlines()
    except OSError:
        return ""
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return "".join(shlex.split(pairs.get("NATS_URL", "")))
