"""All inputs. A new one is a file beside these and a line here (and its name in the settings)."""

from __future__ import annotations

import psutil

from services.collector.adapters.host import Host
from services.collector.adapters.inputs.containers import Containers
from services.collector.adapters.inputs.cpu import Cpu
from services.collector.adapters.inputs.disk import Disk
from services.collector.adapters.inputs.filesystem import Filesystem
from services.collector.adapters.inputs.memory import Memory
from services.collector.adapters.inputs.network import Network
from services.collector.adapters.inputs.pressure import Pressure
from services.collector.adapters.inputs.process import Self
from services.collector.adapters.inputs.system import System
from services.collector.ports import Input


def all_inputs(host: Host) -> dict[str, Input]:
    """Return a fresh instance of every input, by name. psutil looks at one machine at a time: `host`."""
    itself = Self()  # before psutil looks elsewhere: this process is in the `/proc` of its own
    psutil.PROCFS_PATH = str(host.proc)
    made: tuple[Input, ...] = (
        Cpu(),
        Memory(),
        Disk(),
        Filesystem(host),
        Network(host),
        System(host),
        Pressure(host),
        Containers(host),
        itself,
    )
    return {one.name: one for one in made}
