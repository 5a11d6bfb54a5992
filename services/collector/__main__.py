"""`python -m services.collector`"""

import sys

from atalaia.service import run
from services.collector.app import serve
from services.collector.settings import CollectorSettings

if __name__ == "__main__":
    sys.exit(run("collector", CollectorSettings, serve))
