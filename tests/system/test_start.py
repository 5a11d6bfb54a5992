"""Starting: what is wrong is named, with the way out; what is right survives."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from tests.system.platform import ROOT, Platform, await_that

WRONG_RULES = "rules:\n  - name: mine\n    metrik: queue.length\n"


def refused(platform: Platform) -> str:
    """Start a platform that is not to start; return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "services"],
        cwd=ROOT,
        env=platform.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=40,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stdout
    return ended.stdout


@pytest.mark.parametrize(
    "variable", ["ATALAIA_HTTP_PORT", "ATALAIA_NATS_PORT", "ATALAIA_POSTGRES_PORT", "ATALAIA_REDIS_PORT"]
)
def test_a_taken_port_is_named_with_its_variable(tmp_path: Path, variable: str) -> None:
    platform = Platform(tmp_path)
    with socket.create_server(("127.0.0.1", int(platform.environment[variable]))):
        said = refused(platform)
    assert f"port {platform.environment[variable]} is taken" in said
    assert variable in said


def test_a_wrong_value_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    assert "ATALAIA_HTTP_PORT is 'high'" in refused(Platform(tmp_path, ATALAIA_HTTP_PORT="high"))
    said = refused(Platform(tmp_path, ATALAIA_COLLECTOR_INTERVAL_S="0"))
    assert "ATALAIA_COLLECTOR_INTERVAL_S is '0'" in said
    assert "greater than or equal to 0.1" in said
    said = refused(Platform(tmp_path, REDIS_URL="http://ana:secret@elsewhere"))
    assert "REDIS_URL is 'http://elsewhere'" in said
    assert "redis://" in said


def test_wrong_rules_stop_the_start_with_file_line_and_field(tmp_path: Path) -> None:
    rules = tmp_path / "my.yaml"
    rules.write_text(WRONG_RULES)
    said = refused(Platform(tmp_path / "data", ATALAIA_ALERTING_RULES=str(rules)))
    assert f"{rules}:3: metrik: unknown field; did you mean `metric`?" in said


class TestOnePlatform:
    """What one platform goes through, in order."""

    @pytest.fixture(scope="class")
    @classmethod
    def platform(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
        folder = tmp_path_factory.mktemp("one")
        (folder / "my.yaml").write_text("rules: []\n")
        platform = Platform(
            folder / "data",
            ATALAIA_ALERTING_RULES=str(folder / "my.yaml"),
            ATALAIA_COLECTOR_INTERVAL_S="1",
            ATALAIA_COLLECTOR_LEAVE="1",
        )
        platform.start()
        yield platform
        assert platform.stop() == 0

    def test_an_unknown_setting_is_warned_about_with_the_nearest_name(self, platform: Platform) -> None:
        said = [line for line in platform.output if "ATALAIA_COLECTOR_INTERVAL_S" in line]
        assert len(said) == 1
        assert "did you mean ATALAIA_COLLECTOR_INTERVAL_S?" in said[0]

    def test_a_second_platform_on_its_folder_is_refused_by_name(self, platform: Platform) -> None:
        said = refused(Platform(platform.data_dir))
        assert str(platform.data_dir) in said
        assert "ATALAIA_DATA_DIR" in said

    def test_passwords_are_for_the_owner_alone(self, platform: Platform) -> None:
        assert (platform.data_dir / "env").stat().st_mode & 0o777 == 0o600
        assert set(platform.urls()) == {"NATS_URL", "DATABASE_URL", "REDIS_URL", "ATALAIA_SUBSCRIBER_URL"}

    def test_wrong_rules_on_reload_change_nothing_but_what_is_said(self, platform: Platform) -> None:
        file = Path(platform.environment["ATALAIA_ALERTING_RULES"])
        file.write_text(WRONG_RULES)
        platform.child("services.alerting").send_signal(signal.SIGHUP)

        def detail() -> str:
            services = platform.get("/health/detailed")[1]["services"]
            return str(next(one["detail"] for one in services if one["service"] == "alerting"))

        assert "my.yaml:3" in await_that(detail, what="the complaint")
        file.write_text("rules: []\n")
        platform.child("services.alerting").send_signal(signal.SIGHUP)
        await_that(lambda: not detail(), what="its withdrawal")

    @pytest.mark.parametrize(
        "command", ["services.api", "services.collector", "nats-server", "valkey-server"]
    )
    def test_what_dies_is_started_again_with_a_word_about_it(self, platform: Platform, command: str) -> None:
        killed = platform.child(command)
        before = len(platform.output)
        killed.kill()

        def another() -> bool:
            found = [child for child in platform.children() if _runs(child, command)]
            return bool(found) and found[0].pid != killed.pid

        await_that(another, what=f"another {command}")
        await_that(lambda: _healthy(platform), within_s=15, what="health")
        assert any("starting it again" in line for line in platform.output[before:])

    async def test_a_collector_told_to_says_that_it_leaves(self, platform: Platform) -> None:
        collector = platform.child("services.collector")

        def measured() -> bool:
            (host,) = platform.get("/metrics?kind=host")[1]["sources"]
            return datetime.fromisoformat(host["at"]).timestamp() > collector.create_time() + 1

        await_that(measured, what="a measurement of this collector's own")
        async with platform.nats() as client:
            heard = await client.subscribe("atalaia.metrics.host.>")
            await client.flush()
            collector.terminate()
            async with asyncio.timeout(10):
                while b'"final":true' not in (await heard.next_msg(timeout=10)).data:
                    pass


def _runs(child: psutil.Process, command: str) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE and command in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False


def _healthy(platform: Platform) -> bool:
    try:
        return bool(platform.get("/health")[1]["status"] == "healthy")
    except OSError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="all these tests are an ordinary user's already")
def test_an_ordinary_user_runs_it_too() -> None:
    """Another user, who may read everything: root's own folders hold this checkout and its packages."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        platform = Platform(Path(folder) / "data", HOME=folder)
        may_read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        platform.start(prefix=("setpriv", f"--reuid={nobody.pw_uid}", "--clear-groups", *may_read))
        try:
            assert {psutil.Process(child.pid).uids().real for child in platform.children()} == {nobody.pw_uid}
            assert platform.get("/health")[0] == 200
        finally:
            assert platform.stop() == 0
