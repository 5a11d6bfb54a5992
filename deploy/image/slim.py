"""`python slim.py FOLDER [--trim]`: make a folder ready to be a layer of an image.

Compiles it (a read-only container could not keep what it compiles), and gives every file one time and mode,
so that the same commit makes the same layer. `--trim` takes out what packages carry for their own tests.
"""

from __future__ import annotations

import compileall
import os
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

TESTS = ("tests", "test", "testing/tests")
UNUSED = ("bin", "include", "share")
KEEP = ("testing",)  # numpy imports its own


def trim(folder: Path) -> None:
    """Remove tests, commands, headers and sources of compiled modules."""
    for name in UNUSED:
        shutil.rmtree(folder / name, ignore_errors=True)
    for found in sorted(folder.rglob("*"), reverse=True):
        if found.is_dir() and found.name in TESTS and found.name not in KEEP:
            shutil.rmtree(found)
        elif found.suffix in (".pyx", ".pxd", ".pyi", ".c", ".h", ".a", ".lib", ".md", ".po"):
            found.unlink(missing_ok=True)
        elif found.name == "RECORD":
            found.unlink()  # it lists what is gone, and differs by the pip that wrote it


def main(arguments: list[str]) -> int:
    """Do it; exit 1 where something does not compile."""
    folder = Path(arguments[0])
    if "--trim" in arguments:
        trim(folder)
    compiled = compileall.compile_dir(
        folder, quiet=1, stripdir="/image", invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    at = int(os.environ["SOURCE_DATE_EPOCH"])
    for found in (folder, *folder.parents, *folder.rglob("*")):
        if str(found).startswith("/image") and not found.is_symlink():
            found.chmod(0o755 if found.is_dir() else 0o644)  # whatever umask the clone was made under
            os.utime(found, (at, at))
    return 0 if compiled else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
