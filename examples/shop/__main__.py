"""Start the shop beside a running platform: `make example`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time

import uvicorn

from atalaia.errors import Misconfigured
from examples.shop.settings import ShopSettings, check_answers, platform_urls


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.shop", description=__doc__)
    parser.add_argument("--workers", type=int, default=int(os.environ.get("SHOP_WORKERS", "1")))
    parser.add_argument("--with-parent", type=int, metavar="PID", help="stop when this process is gone")
    arguments = parser.parse_args()
    try:
        os.environ.update(platform_urls())
        check_answers(ShopSettings.load().database_url)
    except Misconfigured as error:
        sys.stderr.write(f"shop: {error}\n")
        return 2
    if arguments.with_parent is not None:
        threading.Thread(target=_stop_without, args=(arguments.with_parent,), daemon=True).start()
    port = int(os.environ.get("ATALAIA_EXAMPLE_PORT", "8100"))
    sys.stdout.write(f"the shop is at http://127.0.0.1:{port}/products\n")
    sys.stdout.flush()
    uvicorn.run(
        "examples.shop.app:create",
        factory=True,
        host="127.0.0.1",
        port=port,
        workers=arguments.workers,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )
    return 0


def _stop_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.25)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
