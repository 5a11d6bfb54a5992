"""Run every benchmark in turn: each module here that has a `main`."""

from __future__ import annotations

import importlib
import pkgutil

import benchmarks


def main() -> None:
    for name in sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__)):
        if name != "__main__":
            module = importlib.import_module(f"benchmarks.{name}")
            if hasattr(module, "main"):
                module.main()


if __name__ == "__main__":
    main()
