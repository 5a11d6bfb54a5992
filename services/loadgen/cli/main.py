"""`python -m services.loadgen …`: which command, and what its end means."""

from __future__ import annotations

import sys

from atalaia.errors import AtalaiaError, Invalid, Misconfigured

EXIT_COULD_NOT_RUN = 1
EXIT_ARGUMENTS = 2


def main(arguments: list[str]) -> int:
    """Run a test, or compare earlier ones; return the exit code."""
    try:
        if arguments[:1] == ["compare"]:
            from services.loadgen.cli.compare import main as compare

            return compare(arguments[1:])
        from services.loadgen.cli.arguments import parser

        made = parser()
        given = made.parse_args(arguments)
        from services.loadgen.cli.options import options

        try:
            chosen = options(given)
        except (Invalid, Misconfigured) as error:
            sys.stderr.write(f"loadgen: {error}\n(--help has examples)\n")
            return EXIT_ARGUMENTS
        import uvloop

        if chosen.find_capacity:
            from services.loadgen.cli.capacity import find_capacity

            return uvloop.run(find_capacity(chosen))
        from services.loadgen.cli.testing import test

        return uvloop.run(test(chosen))
    except Invalid as error:
        sys.stderr.write(f"loadgen: {error}\n")
        return EXIT_ARGUMENTS
    except AtalaiaError as error:
        sys.stderr.write(f"loadgen: {error}\n")
        return EXIT_COULD_NOT_RUN
