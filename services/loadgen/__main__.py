"""`python -m services.loadgen [serve]`"""

import sys

from atalaia.service import run
from services.loadgen.app import serve
from services.loadgen.settings import LoadgenSettings


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["serve"]):
        sys.stderr.write(
            f"loadgen: {' '.join(arguments)!r}: tests from the command line come with a later version; "
            "without arguments, or with `serve`, this is the service\n"
        )
        return 2
    return run("loadgen", LoadgenSettings, serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
