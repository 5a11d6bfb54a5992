"""`python -m services.loadgen [serve | compare … | --users 20 --requests 10 | …]`

Imports wait until it is known what is asked for: `--help` answers at once.
"""

import sys


def main(arguments: list[str]) -> int:
    if arguments in ([], ["serve"]):
        from atalaia.service import run
        from services.loadgen.app import serve
        from services.loadgen.settings import LoadgenSettings

        return run("loadgen", LoadgenSettings, serve)
    if arguments == ["worker"]:
        from services.loadgen.adapters.worker import main as work

        return work()
    from services.loadgen.cli.main import main as command

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
