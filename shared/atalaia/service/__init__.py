"""One way to start, announce, report and stop a service."""

from atalaia.service.announce import announce
from atalaia.service.lifecycle import Lifecycle
from atalaia.service.report import Instruments, report
from atalaia.service.run import run

__all__ = ["Instruments", "Lifecycle", "announce", "report", "run"]
