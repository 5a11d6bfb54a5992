"""Files that people name on the command line."""

from __future__ import annotations

from pathlib import Path

from atalaia.errors import Misconfigured
from services.alerting.domain.rules import Rules
from services.alerting.domain.rules_file import load_rules
from services.alerting.settings import STOCK


def text_of(path: Path) -> str:
    """Return what is in a file.

    Raises:
        Misconfigured: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: not UTF-8: {error}") from error


def stock_rules() -> Rules:
    return load_rules(STOCK.read_text(encoding="utf-8"), file=STOCK.name)
