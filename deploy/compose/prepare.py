"""`python -IS prepare.py [--nodes 3] [SERVICE:NAME=VALUE …]`: the passwords, and each service's settings.

Run by compose before anything else, any number of times. Passwords that exist stay; what is missing is
made. Every service has a folder of its own, so that none can read what is another's.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

PASSWORDS = Path("/secrets/passwords.json")
SETTINGS = Path("/settings")
DATA = Path("/data")
NAMES = ("nats", "subscriber", "route", "postgres", "redis", "grafana")
NATS_USER = 1000
READABLE = ["atalaia.metrics.>", "atalaia.alerts.>", "atalaia.loadtests.>", "atalaia.services.>"]


def main(arguments: list[str]) -> None:
    """Without arguments write everything anew; with some, only what they ask for."""
    passwords = _passwords()
    if not arguments:
        for folder in DATA.iterdir():
            os.chown(folder, NATS_USER, NATS_USER)
        _write_all(passwords)
    if "--nodes" in arguments:
        nodes = int(arguments[arguments.index("--nodes") + 1])
        _write(SETTINGS / "nats" / "nats.conf", json.dumps(_nats(passwords, nodes), indent=1))
    for argument in arguments:
        service, colon, setting = argument.partition(":")
        if colon:
            name, _, value = setting.partition("=")
            _write(SETTINGS / service / name, value)


def _passwords() -> dict[str, str]:
    """Return the passwords, made where they are missing; written before they are used."""
    known: dict[str, str] = json.loads(PASSWORDS.read_text()) if PASSWORDS.exists() else {}
    if missing := [name for name in NAMES if name not in known]:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        _write(PASSWORDS, json.dumps(known), mode=0o400)
    return known


def _write_all(passwords: dict[str, str]) -> None:
    nats = f"nats://atalaia:{passwords['nats']}@nats:4222"
    postgres = f"postgresql://atalaia:{passwords['postgres']}@postgres:5432/atalaia"
    redis = f'requirepass {passwords["redis"]}\nsave ""\nappendonly no\ndir /data\n'
    files = {
        "nats/nats.conf": json.dumps(_nats(passwords, 1), indent=1),
        "postgres/password": passwords["postgres"],
        "redis/redis.conf": f"{redis}maxmemory 192mb\nmaxmemory-policy allkeys-lru\n",
        "grafana/password": passwords["grafana"],
        "collector/NATS_URL": nats,
        "alerting/NATS_URL": nats,
        "alerting/DATABASE_URL": postgres,
        "api/NATS_URL": nats,
        "api/DATABASE_URL": postgres,
        "api/REDIS_URL": f"redis://:{passwords['redis']}@redis:6379/0",
        "loadgen/NATS_URL": nats,
    }
    for name, text in files.items():
        _write(SETTINGS / name, text)
    for found in SETTINGS.glob("*/*"):
        if found.is_file() and str(found.relative_to(SETTINGS)) not in files:
            found.unlink()  # of a profile that is not chosen any more


def _nats(passwords: dict[str, str], nodes: int) -> dict[str, object]:
    # The server acknowledges a message when it is in the operating system's hands, and syncs later. A
    # killed server loses nothing by that; a power cut loses up to one interval, of one node.
    config: dict[str, object] = {
        "listen": "0.0.0.0:4222",
        "http": "127.0.0.1:8222",
        "max_payload": 2**20,
        "jetstream": {"store_dir": "/data/jetstream", "sync_interval": "5s"},
        "authorization": {
            "users": [
                {"user": "atalaia", "password": passwords["nats"]},
                {
                    "user": "subscriber",
                    "password": passwords["subscriber"],
                    "permissions": {"publish": {"deny": ">"}, "subscribe": {"allow": READABLE}},
                },
            ]
        },
    }
    if nodes > 1:
        routes = [f"nats://route:{passwords['route']}@nats-{n}:6222" for n in range(1, nodes + 1)]
        config["cluster"] = {
            "name": "atalaia",
            "listen": "0.0.0.0:6222",
            "routes": routes,
            "authorization": {"user": "route", "password": passwords["route"]},
        }
    return config


def _write(path: Path, text: str, *, mode: int = 0o444) -> None:
    """Write a file whole or not at all. Its folder keeps others out: it is mounted where it is read."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    draft.write_text(text)
    draft.chmod(mode)
    draft.rename(path)


if __name__ == "__main__":
    main(sys.argv[1:])
