"""What the shop reads from its environment, and what a running platform tells it."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from atalaia.errors import Misconfigured
from atalaia.settings import data_dir_of

URLS = ("NATS_URL", "DATABASE_URL", "REDIS_URL")
_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """`pool` off: a connection for each request. `cache` off: every page is computed."""

    database_url: str
    redis_url: str
    pool: bool
    cache: bool
    interval_s: float

    @classmethod
    def load(cls) -> ShopSettings:
        environment = os.environ
        return cls(
            database_url=environment["DATABASE_URL"],
            redis_url=environment.get("REDIS_URL", ""),
            pool=_switch(environment, "SHOP_POOL"),
            cache=_switch(environment, "SHOP_CACHE"),
            interval_s=float(environment.get("ATALAIA_APP_INTERVAL_S", "5")),
        )


def platform_urls() -> dict[str, str]:
    """Return the three URLs: from the environment, else those of the platform that runs here.

    Raises:
        Misconfigured: no platform runs here, and the environment names no database.
    """
    given = {name: os.environ[name] for name in URLS if os.environ.get(name)}
    if "DATABASE_URL" in given:
        return given
    file = data_dir_of(os.environ) / "env"
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise Misconfigured(
            f"no platform is running: {file} is not there ({error.strerror}). Start one with `make up`, "
            "say where its data is with ATALAIA_DATA_DIR, or set DATABASE_URL and NATS_URL"
        ) from error
    pairs = (line.partition("=") for line in lines if "=" in line)
    found = {name: shlex.split(value)[0] for name, _, value in pairs if value}
    return {name: found[name] for name in URLS if name in found} | given


def check_answers(database_url: str) -> None:
    """Look whether somebody listens there.

    Raises:
        Misconfigured: nobody does; a platform that was killed leaves its file behind.
    """
    address = urlsplit(database_url)
    where = (address.hostname or "127.0.0.1", address.port or 5432)
    try:
        socket.create_connection(where, timeout=2).close()
    except OSError as error:
        raise Misconfigured(
            f"nobody answers at {where[0]}:{where[1]} ({error.strerror}), where the database of DATABASE_URL "
            "or of the last platform was: is `make up` running?"
        ) from error


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "on")
    if text not in _SWITCH:
        raise Misconfigured(f"{name} is {text!r}: on or off")
    return _SWITCH[text]
