"""`python -m services.api`."""

import sys

from atalaia.service import run
from services.api.app import serve
from services.api.settings import ApiSettings

if __name__ == "__main__":
    sys.exit(run("api", ApiSettings, serve))
