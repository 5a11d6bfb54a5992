"""Imports of a process: what is kept out, and what is left behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from atalaia.loading import loading

NAME = "this"  # a module of the standard library that nothing else imports


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_is_kept_out_cannot_be_imported_inside() -> None:
    with loading(without=(NAME,)), pytest.raises(ImportError):
        __import__(NAME)


def test_what_was_kept_out_can_be_imported_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    with loading(without=(NAME,)):
        pass
    assert __import__(NAME)


def test_what_was_imported_before_stays() -> None:
    with loading(without=("json",)):
        assert __import__("json")
    assert sys.modules["json"] is not None


def test_garbage_is_collected_again_after_imports_that_fail() -> None:
    with pytest.raises(ModuleNotFoundError), loading():
        __import__("no_such_module_anywhere")
    assert gc.isenabled()
