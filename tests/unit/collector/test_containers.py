"""Control groups, read as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.collector.adapters.host import Host, read_mounts
from services.collector.adapters.inputs.containers import Containers
from services.collector.domain.cgroups import labels_of
from services.collector.domain.network import read_interfaces

ID = "0123456789ab" + "c" * 52
POD = "11111111-2222-3333-4444-555555555555"


def lay(root: Path, path: str, files: dict[str, str]) -> None:
    folder = root / "fs" / "cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    lay(tmp_path, "", {"cgroup.controllers": "cpu memory"})
    files = {
        "cpu.stat": "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 10\n"
        "nr_throttled 4\nthrottled_usec 500000\n",
        "cpu.max": "50000 100000\n",
        "memory.current": "800\n",
        "memory.max": "1000\n",
        "memory.stat": "anon 500\ninactive_file 300\n",
        "memory.events": "low 0\noom 3\noom_kill 2\n",
    }
    lay(tmp_path, f"system.slice/docker-{ID}.scope", files)
    lay(tmp_path, "system.slice/ssh.service", files)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        (f"docker/{ID}", {"container.id": ID[:12], "container.runtime.name": "docker"}),
        (f"system.slice/docker-{ID}.scope", {"container.id": ID[:12], "container.runtime.name": "docker"}),
        (f"machine.slice/libpod-{ID}.scope", {"container.id": ID[:12], "container.runtime.name": "podman"}),
        (f"kubepods/burstable/pod{POD}/{ID}", {"container.id": ID[:12], "k8s.pod.uid": POD}),
        (
            f"kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/cri-containerd-{ID}.scope",
            {"container.id": ID[:12], "container.runtime.name": "containerd", "k8s.pod.uid": POD},
        ),
        ("system.slice/ssh.service", None),
        ("docker", None),
        ("", None),
    ],
)
def test_a_group_is_a_container_by_its_name(path: str, labels: dict[str, str] | None) -> None:
    assert labels_of(path) == labels


def test_version_2_tells_throttling_memory_against_the_limit_and_kills(unified: Path) -> None:
    reading = Containers(Host(sys=unified)).read()
    mine = f'container.id="{ID[:12]}",container.runtime.name="docker"'
    assert reading.gauges == {
        f"container.cpu.limit{{{mine}}}": 0.5,
        f"container.memory.usage{{{mine}}}": 800.0,
        f"container.memory.limit{{{mine}}}": 1000.0,
        f"container.memory.rss{{{mine}}}": 500.0,
        f"container.memory.working_set{{{mine}}}": 500.0,
        f"container.memory.utilization{{{mine}}}": 0.5,
    }
    assert reading.counters == {
        f"container.cpu.throttling_data.periods{{{mine}}}": 10.0,
        f"container.cpu.throttling_data.throttled_periods{{{mine}}}": 4.0,
        f"container.cpu.throttling_data.throttled_time{{{mine}}}": 0.5,
        f"container.memory.oom_kills{{{mine}}}": 2.0,
        f'container.cpu.time{{{mine},cpu.mode="user"}}': 2.0,
        f'container.cpu.time{{{mine},cpu.mode="system"}}': 1.0,
    }


def test_version_1_says_the_same_from_its_three_hierarchies(tmp_path: Path) -> None:
    lay(
        tmp_path,
        f"memory/docker/{ID}",
        {
            "memory.usage_in_bytes": "800\n",
            "memory.limit_in_bytes": "9223372036854771712\n",
            "memory.stat": "total_rss 500\ntotal_inactive_file 300\n",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        },
    )
    lay(tmp_path, f"cpu/docker/{ID}", {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"})
    lay(tmp_path, f"cpuacct/docker/{ID}", {"cpuacct.usage": "3000000000\n"})
    reading = Containers(Host(sys=tmp_path)).read()
    names = {series.partition("{")[0]: value for series, value in reading.gauges.items()}
    assert names == {
        "container.memory.usage": 800.0,
        "container.memory.rss": 500.0,
        "container.memory.working_set": 500.0,
    }
    assert list(reading.counters.values()) == [2.0]


def test_the_share_of_a_processor_is_told_from_the_second_reading_on(unified: Path) -> None:
    containers = Containers(Host(sys=unified))
    containers.read()
    lay(unified, f"system.slice/docker-{ID}.scope", {"cpu.stat": "usage_usec 4000000\n"})
    reading = containers.read()
    assert [name for name in reading.gauges if name.startswith("container.cpu.usage{")]


def test_a_container_that_ends_in_the_middle_of_a_reading_is_left_out(unified: Path) -> None:
    lay(unified, f"system.slice/docker-{'d' * 64}.scope", {})
    reading = Containers(Host(sys=unified)).read()
    assert all(ID[:12] in series for series in reading.gauges)


def test_a_machine_without_control_groups_has_no_containers(tmp_path: Path) -> None:
    assert Containers(Host(sys=tmp_path)).read().gauges == {}


def test_blanks_in_the_names_of_mounts_are_written_as_octal() -> None:
    assert read_mounts("/dev/sdb1 /my\\040disk ext4 rw,noatime 0 0\nnonsense\n")[0].mountpoint == "/my disk"


def test_interfaces_are_read_with_or_without_a_blank_after_the_colon() -> None:
    text = (
        "Inter-|   Receive                         |  Transmit\n face |bytes ...\n"
        "    lo:  100  2 0 0 0 0 0 0   300  4 0 0 0 0 0 0\n  eth0:7 1 2 3 0 0 0 0 8 4 5 6 0 0 0 0\n"
    )
    found = read_interfaces(text)
    assert (found["lo"].bytes_recv, found["lo"].bytes_sent) == (100, 300)
    assert (found["eth0"].dropin, found["eth0"].errout, found["eth0"].dropout) == (3, 5, 6)
