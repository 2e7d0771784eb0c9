"""A primary on loopback, and standbys that follow it by PostgreSQL's own streaming replication."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic

import psycopg
import pytest

from api.operating import embedded
from api.operating.schema import migrate
from tests.conftest import reachable_directory

WITHIN_S = 20.0
PASSWORD = "pass-word"
_BY_PASSWORD = """\
local all all trust
host all,replication all 127.0.0.1/32 scram-sha-256
"""
_NOTES = {"log_statement": "all", "log_line_prefix": "%a ", "listen_addresses": "127.0.0.1"}
"""What is asked of it stands in its log before it is answered."""
_CONFLICTS = {"max_standby_streaming_delay": "300ms"}
"""So long a question may keep a standby from replaying; half a minute, if nobody says."""


@dataclass
class Server:
    """`data` lies beside its log and a directory for its sockets."""

    data: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"postgresql://dealfolio:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")

    def start(self) -> None:
        """Returns when it answers."""
        account = embedded._account(self.data)
        sockets = self.data.with_name(f"{self.data.name}.sockets")
        sockets.mkdir(exist_ok=True)
        account.owns(sockets)
        binaries = embedded._binaries(self.data, account)
        command = binaries.postgres(self.data, sockets, durable=True)
        for name, value in (_NOTES | _CONFLICTS | {"port": str(self.port)}).items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, **embedded._child(account)
            )
        wait_until(lambda: embedded._postmaster_pid(self.data)[-1:] == ["ready"], self.log)

    def stop(self, way: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT: as in a crash; the next start recovers."""
        assert self.process is not None
        self.process.send_signal(way)
        self.process.wait(WITHIN_S)

    def tell(self, statement: str) -> object:
        """The one column of the one row."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row and row[0]

    def asked(self, what: str = "FROM ledger.") -> int:
        """How many statements with those words it was ever told."""
        notes = self.log.read_text(encoding="utf-8", errors="replace").split(" LOG:  ")
        return sum(what in note for note in notes)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """All of its processes stand still in the block, and go on after it."""
        assert self.process is not None
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children")
        os.kill(own, signal.SIGSTOP)  # first, that no others are born meanwhile
        stopped = [own, *map(int, children.read_text().split())]
        for pid in stopped[1:]:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)


def wait_until(true: Callable[[], bool], told: object = "") -> None:
    until = monotonic() + WITHIN_S
    while not true():
        assert monotonic() < until, f"still not so: {told}"
        Event().wait(0.01)


@contextmanager
def primary() -> Iterator[Server]:
    """Migrated, with nothing in it."""
    with reachable_directory() as place:
        data = place / "primary"
        with embedded.postgres(data, durable=False) as conninfo:
            migrate(conninfo)
            with psycopg.connect(conninfo) as connection:
                connection.execute(f"ALTER ROLE dealfolio PASSWORD '{PASSWORD}'".encode())
        (data / "pg_hba.conf").write_text(_BY_PASSWORD)
        with _running(Server(data, _free_port())) as server:
            yield server


@contextmanager
def standby(followed: Server, name: str) -> Iterator[Server]:
    """Of a primary or of another standby."""
    data = followed.data.with_name(name)
    account = embedded._account(followed.data)
    program = embedded._binaries(followed.data, account).directory / "pg_basebackup"
    if not program.exists():
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    copying: list[Path | str] = [program, "--pgdata", data, "--dbname", followed.url, "--no-sync"]
    copying += ["--write-recovery-conf", "--checkpoint=fast"]
    data.mkdir(mode=0o700)
    account.owns(data)
    embedded._run(data, copying, account)
    with _running(Server(data, _free_port())) as server:
        yield server


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
