"""Settings that lie in files: passwords in containers."""

from pathlib import Path

import pytest

from atalaia.errors import Misconfigured
from atalaia.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATALAIA_SETTINGS_DIR", str(tmp_path))
    monkeypatch.delenv("NATS_URL", raising=False)
    return tmp_path


def test_a_file_named_like_a_variable_holds_its_value(folder: Path) -> None:
    (folder / "NATS_URL").write_text("nats://atalaia:secret@nats:4222\n")
    assert Settings.load().nats_url == "nats://atalaia:secret@nats:4222"


def test_the_environment_goes_before_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "NATS_URL").write_text("nats://from-the-file:4222")
    monkeypatch.setenv("NATS_URL", "nats://from-the-environment:4222")
    assert Settings.load().nats_url == "nats://from-the-environment:4222"


def test_a_wrong_value_in_a_file_is_named_like_one_in_the_environment(folder: Path) -> None:
    (folder / "ATALAIA_LOG_LEVEL").write_text("loud")
    with pytest.raises(Misconfigured, match="ATALAIA_LOG_LEVEL is 'loud'"):
        Settings.load()


def test_a_folder_that_is_not_there_stops_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATALAIA_SETTINGS_DIR", str(folder / "away"))
    with pytest.raises(Misconfigured, match="ATALAIA_SETTINGS_DIR"):
        Settings.load()


@pytest.mark.parametrize("listen", ["8081", "localhost", "[::1]", "a:b", "0.0.0.0:123456"])
def test_where_health_is_asked_is_an_address_and_a_port(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATALAIA_HEALTH_LISTEN", listen)
    with pytest.raises(Misconfigured, match="ATALAIA_HEALTH_LISTEN"):
        Settings.load()
