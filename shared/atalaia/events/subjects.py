"""Subjects and their tokens; the partition that the broker computes."""

from __future__ import annotations

import re
from hashlib import sha256

PARTITIONS = 64
METRICS_PREFIX = "atalaia.metrics"
ALERTS_PREFIX = "atalaia.alerts"
LOADTESTS_PREFIX = "atalaia.loadtests"
DEAD_PREFIX = "atalaia.dead"
SERVICES_PREFIX = "atalaia.services"
RPC_PREFIX = "atalaia.rpc"
ANNOUNCE_SUBJECT = f"{RPC_PREFIX}.services.announce"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def token(name: str) -> str:
    """Return a name as one subject token; names that are not tokens get a hash so that they stay apart."""
    if _TOKEN.fullmatch(name):
        return name
    tail = sha256(name.encode()).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)[:121]}_{tail}"


def partition_of(group: str) -> int:
    """Return the partition of a group: FNV-1a 32 of its token, modulo 64, as the broker does."""
    digest = 0x811C9DC5
    for byte in token(group).encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest % PARTITIONS


def partition_in(subject: str) -> int:
    """Return the partition that the stream appended to a subject; -1 where it did not."""
    token = subject.rpartition(".")[2]
    return int(token) if token.isdecimal() else -1


def metrics_subject(kind: str, group: str, source: str) -> str:
    """Return where a source publishes; the stream appends the partition."""
    return f"{METRICS_PREFIX}.{token(kind)}.{token(group)}.{token(source)}"


def alerts_subject(rule: str, source: str) -> str:
    return f"{ALERTS_PREFIX}.{token(rule)}.{token(source)}"


def dead_subject(service: str) -> str:
    return f"{DEAD_PREFIX}.{token(service)}"


def service_subject(service: str, instance: str) -> str:
    return f"{SERVICES_PREFIX}.{token(service)}.{token(instance)}"


def loadtest_subject(run_id: str, event: str) -> str:
    return f"{LOADTESTS_PREFIX}.{token(run_id)}.{event}"


def rpc_subject(service: str, verb: str) -> str:
    return f"{RPC_PREFIX}.{service}.{verb}"
