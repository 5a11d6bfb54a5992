"""`python -m services.collector`"""

import sys

from atalaia.loading import loading

# what the other services need is installed beside it where all run in one place; libraries would load it
with loading(without=("aiohttp", "rich", "uvicorn")):
    from atalaia.service import run
    from services.collector.app import serve
    from services.collector.settings import CollectorSettings

if __name__ == "__main__":
    sys.exit(run("collector", CollectorSettings, serve))
