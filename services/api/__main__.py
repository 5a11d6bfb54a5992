"""`python -m services.api`."""

import sys

from atalaia.loading import loading

with loading(without=("aiohttp", "rich")):  # libraries would load them wherever they are installed
    from atalaia.service import run
    from services.api.app import serve
    from services.api.settings import ApiSettings

if __name__ == "__main__":
    sys.exit(run("api", ApiSettings, serve))
