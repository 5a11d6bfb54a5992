"""The one-shot service of compose: passwords that stay, settings that follow the profile."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[3] / "deploy" / "compose" / "prepare.py"
SERVICES = ("nats", "postgres", "redis", "collector", "alerting", "api", "loadgen", "grafana")


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with the volumes that compose mounts for it."""
    spec = importlib.util.spec_from_file_location("prepare", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for folder in ("secrets", "data/nats", *(f"settings/{name}" for name in SERVICES)):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(module, "PASSWORDS", tmp_path / "secrets" / "passwords.json")
    monkeypatch.setattr(module, "SETTINGS", tmp_path / "settings")
    monkeypatch.setattr(module, "DATA", tmp_path / "data")
    monkeypatch.setattr(module, "NATS_USER", os.getuid())
    return module


def written(folder: Path) -> dict[str, str]:
    settings = folder / "settings"
    return {str(one.relative_to(settings)): one.read_text() for one in settings.glob("*/*")}


def test_a_second_run_changes_nothing(prepare: ModuleType, tmp_path: Path) -> None:
    prepare.main([])
    first = written(tmp_path)
    prepare.main([])
    assert written(tmp_path) == first


def test_only_what_is_missing_of_passwords_is_made(prepare: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "passwords.json").write_text(json.dumps({"postgres": "of-an-older-version"}))
    prepare.main([])
    known = json.loads((tmp_path / "secrets" / "passwords.json").read_text())
    assert known["postgres"] == "of-an-older-version"
    assert set(known) == set(prepare.NAMES)


def test_killed_before_the_passwords_were_whole_it_begins_anew(prepare: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "secrets" / ".passwords.json").write_text('{"nats": "ha')
    prepare.main([])
    assert json.loads((tmp_path / "secrets" / "passwords.json").read_text())["nats"] != "ha"


def test_a_service_is_told_no_url_that_it_does_not_need(prepare: ModuleType, tmp_path: Path) -> None:
    prepare.main([])
    told = {name: {path.name for path in (tmp_path / "settings" / name).iterdir()} for name in SERVICES}
    assert told["collector"] == told["loadgen"] == {"NATS_URL"}
    assert told["alerting"] == {"NATS_URL", "DATABASE_URL"}
    assert told["api"] == {"NATS_URL", "DATABASE_URL", "REDIS_URL"}


def test_a_profile_adds_its_settings_and_without_it_they_go(prepare: ModuleType, tmp_path: Path) -> None:
    prepare.main([])
    plain = written(tmp_path)
    prepare.main(["--nodes", "3", "alerting:ATALAIA_ALERTING_STREAM_REPLICAS=3"])
    clustered = written(tmp_path)
    assert clustered["alerting/ATALAIA_ALERTING_STREAM_REPLICAS"] == "3"
    assert len(json.loads(clustered["nats/nats.conf"])["cluster"]["routes"]) == 3
    prepare.main([])
    assert written(tmp_path) == plain
