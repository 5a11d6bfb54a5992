"""All inputs. A new one is a file beside these and a line here (and its name in the settings)."""

from __future__ import annotations

from services.collector.adapters.inputs.cpu import Cpu
from services.collector.adapters.inputs.disk import Disk
from services.collector.adapters.inputs.filesystem import Filesystem
from services.collector.adapters.inputs.memory import Memory
from services.collector.adapters.inputs.network import Network
from services.collector.adapters.inputs.pressure import Pressure
from services.collector.adapters.inputs.process import Self
from services.collector.adapters.inputs.system import System
from services.collector.ports import Input


def all_inputs() -> dict[str, Input]:
    """Return a fresh instance of every input, by name."""
    made: tuple[Input, ...] = (
        Cpu(),
        Memory(),
        Disk(),
        Filesystem(),
        Network(),
        System(),
        Pressure(),
        Self(),
    )
    return {one.name: one for one in made}
