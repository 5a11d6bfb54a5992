"""URLs of servers: checked where they are given, shown without their passwords."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit


def brokers(url: str) -> list[str]:
    """Return the URLs of a broker's nodes: one, or several with commas in between.

    Raises:
        ValueError: one of them is not a broker's.
    """
    nodes = [node.strip() for node in url.split(",")]
    for node in nodes:
        _with_host(_checked(node, "nats", "tls"))
    return nodes


def postgres(url: str) -> None:
    """Check a URL of Postgres.

    Raises:
        ValueError: it is none.
    """
    _checked(url, "postgresql", "postgres")


def redis(url: str) -> None:
    """Check a URL of Redis or Valkey.

    Raises:
        ValueError: it is none.
    """
    _checked(url, "redis", "rediss", "unix")


def web(url: str) -> None:
    """Check what a browser opens.

    Raises:
        ValueError: it is no such URL.
    """
    _with_host(_checked(url, "http", "https"))


def without_password(url: str) -> str:
    """Return a URL, or several, for people to read; too little of one that is wrong, rather than too much."""
    shown = re.sub(r"//[^@/]*@", "//", url)
    return re.sub(r"//.*@", "//", shown) if "@" in shown else shown


def _checked(url: str, *schemes: str) -> SplitResult:
    if not url.startswith(begins := tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"a URL here begins with {' or '.join(begins)}")
    try:
        parts = urlsplit(url)
        if "," not in parts.netloc:  # Postgres may have several hosts, each with a port
            _ = parts.port  # is checked as it is read
    except ValueError:  # what it says may hold a part of the password
        raise ValueError(
            "its host or port cannot be read; a password's / # ? [ ] are written as %2F %23 %3F %5B %5D"
        ) from None
    return parts


def _with_host(parts: SplitResult) -> None:
    if not parts.hostname:
        raise ValueError("it names no host")
