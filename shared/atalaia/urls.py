"""URLs of servers: checked where they are given, shown without their passwords."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_RESERVED = "/ # ? [ ]"
_ENCODED = f"a password's {_RESERVED} are written as %2F %23 %3F %5B %5D"  # which nats-py would not read back


def brokers(url: str) -> list[str]:
    """Return the URLs of a broker's nodes: one, or several with commas in between.

    Raises:
        ValueError: one of them is not a broker's.
    """
    nodes = [node.strip() for node in url.split(",")]
    for node in nodes:
        _with_host(_checked(node, ("nats", "tls"), f"here a password holds none of {_RESERVED}"))
    return nodes


def postgres(url: str) -> None:
    """Check a URL of Postgres.

    Raises:
        ValueError: it is none.
    """
    _checked(url, ("postgresql", "postgres"), _ENCODED)


def redis(url: str) -> None:
    """Check a URL of Redis or Valkey.

    Raises:
        ValueError: it is none.
    """
    _checked(url, ("redis", "rediss", "unix"), _ENCODED)


def web(url: str) -> None:
    """Check what a browser opens.

    Raises:
        ValueError: it is no such URL.
    """
    _with_host(_checked(url, ("http", "https"), _ENCODED))


def without_password(url: str) -> str:
    """Return a URL, or several, for people to read; too little of one that is wrong, rather than too much."""
    shown = re.sub(r"//[^@/]*@", "//", url)
    return re.sub(r"//.*@", "//", shown) if "@" in shown else shown


def _checked(url: str, schemes: tuple[str, ...], of_passwords: str) -> SplitResult:
    if not url.startswith(begins := tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"a URL here begins with {' or '.join(begins)}")
    try:
        parts = urlsplit(url)
        if "," not in parts.netloc:  # Postgres may have several hosts, each with a port
            _ = parts.port  # is checked as it is read
    except ValueError:  # what it says may hold a part of the password
        raise ValueError(f"its host or port cannot be read; {of_passwords}") from None
    return parts


def _with_host(parts: SplitResult) -> None:
    if not parts.hostname:
        raise ValueError("it names no host")
