"""Where load may go: this machine, the platform's own addresses, and hosts that were named on purpose."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from atalaia.errors import Forbidden


def refuse_foreign(host: str, allowed: Collection[str]) -> None:
    """Let loopback and the allowed hosts pass.

    Raises:
        Forbidden: any other. A load generator is a weapon: nobody is hit by a typing error.
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or _is_loopback(name) or name in {one.lower() for one in allowed}:
        return
    raise Forbidden(
        f"{host!r} is neither this machine nor a host that you allowed; "
        f"if it is yours, or its owner agrees, name it: --allow-host {host}; "
        "for the service: ATALAIA_LOADGEN_ALLOWED_HOSTS",
        field="url",
    )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
