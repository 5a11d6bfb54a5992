"""`python -m services.alerting`: the service; with arguments, the command line."""

import sys

from atalaia.loading import loading

# nats-py has WebSockets where aiohttp is, structlog prettier tracebacks where rich is, FastStream its own
# server where uvicorn is: much of the time to start. Our webhooks load aiohttp when there are any.
with loading(without=("aiohttp", "rich", "uvicorn")):
    from atalaia.service import run
    from services.alerting.app import serve
    from services.alerting.settings import AlertingSettings


def main(arguments: list[str]) -> int:
    if not arguments:
        return run("alerting", AlertingSettings, serve)
    from services.alerting.cli.commands import main as command

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
