"""URLs of servers: checked where they are given, shown without their passwords."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def brokers(url: str) -> list[str]:
    """Return the URLs of a broker's nodes: one, or several with commas in between.

    Raises:
        ValueError: one of them is not a broker's.
    """
    nodes = [node.strip() for node in url.split(",")]
    for node in nodes:
        _check(node, "nats", "tls")
        if not urlsplit(node).hostname:
            raise ValueError("it names no host")
    return nodes


def postgres(url: str) -> None:
    """Check a URL of Postgres.

    Raises:
        ValueError: it is none.
    """
    _check(url, "postgresql", "postgres")


def redis(url: str) -> None:
    """Check a URL of Redis or Valkey.

    Raises:
        ValueError: it is none.
    """
    _check(url, "redis", "rediss", "unix")


def web(url: str) -> None:
    """Check what a browser opens.

    Raises:
        ValueError: it is no such URL.
    """
    _check(url, "http", "https")
    if not urlsplit(url).hostname:
        raise ValueError("it names no host")


def without_password(url: str) -> str:
    """Return a URL, or several, for people to read."""
    return re.sub(r"//[^@/]*@", "//", url)


def _check(url: str, *schemes: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or "://" not in url:
        raise ValueError(f"a URL here begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if "," not in parts.netloc:  # Postgres may have several hosts, each with a port
        _ = parts.port  # is checked as it is read
