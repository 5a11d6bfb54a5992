"""`python -IS probe.py [URL]`: exit 0 where the URL answers 200. For images, which have no curl.

Run as a file, without the library: it is started every few seconds, so it imports next to nothing.
"""

from __future__ import annotations

import os
import socket
import sys

WITHIN_S = 2.0


def main(url: str) -> int:
    """Ask once; say what is wrong on standard error."""
    place, _, path = url.removeprefix("http://").partition("/")
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), WITHIN_S) as connection:
            connection.sendall(f"GET /{path} HTTP/1.0\r\nhost: {place}\r\n\r\n".encode())
            answer = connection.recv(1024)
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    if answer.split(b" ", 2)[1:2] == [b"200"]:
        return 0
    sys.stderr.write(f"{url}: {answer[:100].decode(errors='replace')}\n")
    return 1


if __name__ == "__main__":
    listened = os.environ.get("ATALAIA_HEALTH_LISTEN", "").rpartition(":")[2] or "8081"
    sys.exit(main(sys.argv[1] if sys.argv[1:] else f"http://127.0.0.1:{listened}/readyz"))
