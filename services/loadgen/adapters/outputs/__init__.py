"""A run's result in the forms that other programs read."""

from __future__ import annotations

import json
from pathlib import Path

from atalaia import __version__
from atalaia.errors import Misconfigured
from services.loadgen.adapters.outputs.html import page
from services.loadgen.adapters.outputs.tables import csv, hgrm
from services.loadgen.adapters.outputs.verdicts import junit, k6
from services.loadgen.domain.result import Outcome

KINDS = ("json", "junit", "csv", "hgrm", "k6", "html")


def written(kind: str, outcome: Outcome) -> str:
    """Return the text of one kind of output."""
    match kind:
        case "json":
            body = {"version": __version__, **outcome.to_json()}
            body["windows"] = [row.to_json() for row in outcome.totals.rows]
            body["histogram"] = outcome.totals.histograms["response"].delta().to_json()
            return json.dumps(body, indent=1) + "\n"
        case "junit":
            return junit(outcome)
        case "csv":
            return csv(outcome)
        case "hgrm":
            return hgrm(outcome.totals.histograms["response"])
        case "k6":
            return json.dumps(k6(outcome), indent=1) + "\n"
        case _:
            return page(outcome)


def write(path: str, text: str) -> None:
    """Write a file as a whole, or not at all.

    Raises:
        Misconfigured: it cannot be written.
    """
    final = Path(path)
    unfinished = final.with_name(f".{final.name}.unfinished")
    try:
        unfinished.write_text(text)
        unfinished.replace(final)
    except OSError as error:
        raise Misconfigured(f"--out {path}: {error.strerror}") from error


def refuse_unwritable(path: str) -> None:
    """Say before the run that its result could not be written.

    Raises:
        Misconfigured: there is no such folder, or it is a folder itself.
    """
    final = Path(path)
    if not final.absolute().parent.is_dir():
        raise Misconfigured(f"--out {path}: there is no folder {str(final.parent)!r}")
    if final.is_dir():
        raise Misconfigured(f"--out {path}: is a folder")
