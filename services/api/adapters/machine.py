"""The machine the gateway runs on."""

from __future__ import annotations

import platform
import socket
from datetime import UTC, datetime
from typing import Any

import psutil


def describe_machine() -> dict[str, Any]:
    """Return host, OS, CPU, memory and Python. Reads files of the kernel's: call it in a thread."""
    memory = psutil.virtual_memory()
    return {
        "host": {
            "name": socket.gethostname(),
            "booted_at": datetime.fromtimestamp(psutil.boot_time(), UTC),
        },
        "os": {
            "name": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
        },
        "cpu": {"logical": psutil.cpu_count() or 0, "physical": psutil.cpu_count(logical=False)},
        "memory": {"total_bytes": memory.total, "available_bytes": memory.available},
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
    }
