"""The command line as its users have it: what it is told, its exit status, and what it prints.

What serves is a process of its own, and some commands beside it are; to start one takes longer than
most commands do, so all others are given in this process.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import PIPE
from typing import TextIO

import httpx
import psycopg
import pytest

from api import cli
from api.accounts import FIRST_LOCK, Accounts
from api.operating import shown
from api.operating.embedded import running
from api.service import Service
from api.settings import Settings
from domain.access import Grant
from domain.values import Role
from projections.evidence.checkpoints import newest_signed
from tests.conftest import reachable_directory
from tests.over_http import TLS

DEALFOLIO = [sys.executable, "-m", "api.cli"]
ROOT = Path(__file__).parent.parent
QUIET = {"DEALFOLIO_LANGUAGE": "en", "COLUMNS": "200", "PYTHONWARNINGS": "error"}


Done = subprocess.CompletedProcess[str]


def run(*arguments: object, **environment: str) -> Done:
    told, out, err = [*map(str, arguments)], StringIO(), StringIO()
    by_sigterm = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as here, redirect_stdout(out), redirect_stderr(err):
        for name, value in (QUIET | environment).items():
            here.setenv(name, value)
        for console in (shown.OUT, shown.ERRORS):  # made when the variables were others
            here.setattr(console, "_width", int(QUIET["COLUMNS"]))
        here.setattr(sys, "argv", ["dealfolio", *told])
        here.setattr(sys, "stdin", StringIO())
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, by_sigterm)
    return Done(told, int(ended.value.code or 0), out.getvalue(), err.getvalue())


def run_alone(*arguments: object, stdout: int | TextIO = PIPE, **environment: str) -> Done:
    """In a process of its own."""
    return subprocess.run(
        [*DEALFOLIO, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | QUIET | environment,
        stdout=stdout,
        stderr=PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def sheet_of_deals(place: Path) -> Path:
    """Of one deal."""
    sheet = place / "deals.csv"
    sheet.write_text(
        "deal;title;client;potential_check;manager;opened_on\n"
        "1;Витрины;Ромашка;400000000,00;Анна Соколова;12.01.2026\n",
        encoding="utf-8",
    )
    return sheet


@contextmanager
def serving(command: str, data: Path, **environment: str) -> Iterator[tuple[str, list[str]]]:
    """The address of a service in a process of its own, and the lines that it printed before."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*DEALFOLIO, command, "--port", str(port), "--data", str(data)],
        cwd=ROOT,
        env=os.environ | QUIET | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Serving on" in line:
                break
        transport = httpx.HTTPTransport(retries=8)  # it listens a moment after it says so
        with httpx.Client(transport=transport, verify=TLS) as http:
            http.get(f"http://127.0.0.1:{port}/health/ready").raise_for_status()
        yield f"http://127.0.0.1:{port}", lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def answered(url: str, token: str | None = None) -> httpx.Response:
    """By a connection of its own."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(url, headers=headers, verify=TLS)


@pytest.fixture
def data() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory / "data"


def test_the_demo_is_served_and_its_curl_lines_work(data):
    with serving("demo", data) as (address, lines):
        printed = "".join(lines)
        asked = re.findall(r"Bearer (\S+)' '(\S+)'", printed)
        assert len(asked) == 6
        for token, url in asked:
            assert url.startswith(address)
            assert answered(url, token).status_code == 200, url
        portfolios = answered(asked[0][1], asked[0][0]).json()
        assert len(portfolios["currencies"][0]["managers"]) == 16

        shown = run_alone("portfolio", "--data", data)
        assert shown.returncode == 0
        assert portfolios["currencies"][0]["total"]["active"] in shown.stdout
        for command in ("verify", "rebuild", "doctor"):
            done = run(command, "--data", data)
            assert done.returncode == 0, done.stdout + done.stderr
        after = answered(asked[0][1], asked[0][0]).json()
        assert after["currencies"] == portfolios["currencies"]

        second = run_alone("serve", "--data", data, "--port", 0)
        assert second.returncode == 1
        assert "Another Dealfolio" in second.stderr

    with serving("demo", data, DEALFOLIO_WORKERS="2") as (address, lines):
        assert "Demo mode" in "".join(lines)
        for _ in range(8):  # a connection each, so that both workers get some
            assert answered(f"{address}/health/live").headers["dealfolio-mode"] == "demo"
        token, url = re.findall(r"Bearer (\S+)' '(\S+)'", "".join(lines))[0]
        again = answered(url, token).json()
        assert again["currencies"] == portfolios["currencies"]  # new keys, and nothing else
    assert running(data) is None


def test_of_services_that_start_at_once_one_makes_the_first_account(database):
    """On an empty database; the others find it made."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with (
        closing(Service(database, Settings())) as service,
        psycopg.connect(database) as faster,
        ThreadPoolExecutor(1) as threads,
    ):
        faster.execute("SELECT pg_advisory_xact_lock(%s)", [FIRST_LOCK])
        faster.execute(
            "WITH one AS (INSERT INTO books.accounts (account_id) VALUES (gen_random_uuid())"
            " RETURNING account_id) INSERT INTO books.keys (key_id, account_id, prefix, hash)"
            " SELECT gen_random_uuid(), account_id, '', '' FROM one"
        )
        late = threads.submit(Accounts(service).create_first, "a-token")
        while faster.execute(waiting).fetchone() == (0,):
            assert not late.done(), "it waits"
        faster.commit()
        assert late.result() is None


def test_the_first_token_is_shown_once(data):
    with serving("serve", data) as (address, lines):
        (token,) = re.findall(r"df_\S+", "".join(lines))
        accounts = answered(f"{address}/v1/accounts", token)
        assert [account["role"] for account in accounts.json()["accounts"]] == ["admin"]
    with serving("serve", data) as (_, lines):
        assert "df_" not in "".join(lines)


def test_two_workers_share_one_set_of_books_and_end_with_their_supervisor(data):
    """However it does: else they hold the port, and the next start fails. The bootstrap token is
    not shown.
    """
    given = "given-by-the-operator"
    environment = {"DEALFOLIO_WORKERS": "2", "DEALFOLIO_BOOTSTRAP_TOKEN": given}
    with serving("serve", data, **environment) as (address, lines), ExitStack() as watched:
        assert given not in "".join(lines)
        headers = {"Authorization": f"Bearer {given}"}
        positions = [2]  # the first account's role and key
        for number in range(12):  # a connection each, so that both workers get some
            body = {"name": f"Имя {number}"}
            answer = httpx.post(f"{address}/v1/managers", headers=headers, json=body, verify=TLS)
            positions.append(answer.json()["position"])
        assert positions == list(range(2, 15))

        pid = int(data.with_name("data.lock").read_text())
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) >= 3, "the database, and both workers"
        ends = [os.pidfd_open(int(child)) for child in children]
        for end in ends:
            watched.callback(os.close, end)
        os.kill(pid, signal.SIGKILL)
        for end in ends:
            assert select.select([end], [], [], 30)[0], "it goes on"


def test_a_start_that_was_cut_short_before_the_first_key_is_gone_on_with(database):
    with closing(Service(database, Settings())) as service:
        accounts = Accounts(service)
        accounts.open(None, "admin", Grant(Role.ADMIN))
        first = accounts.create_first("a-token")
        known = accounts.look_up("a-token")
        assert known is not None
        assert known.account_id == first
        assert accounts.create_first("another-token") is None
        assert accounts.look_up("another-token") is None


def test_whoever_has_lost_every_key_makes_an_administrator_at_the_machine(database):
    with closing(Service(database, Settings())) as service:
        Accounts(service).create_first("lost")
    done = run("admin", "Ольга Крылова", DATABASE_URL=database)
    assert done.returncode == 0, done.stderr
    (token,) = re.findall(r"\bdf_\S+", done.stdout)
    with closing(Service(database, Settings())) as service:
        accounts = Accounts(service)
        known = accounts.look_up(token)
        assert known is not None
        (own,) = [one for one in accounts.page(None, 10) if one.account_id == known.account_id]
        assert (own.name, own.grant) == ("Ольга Крылова", Grant(Role.ADMIN))


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Another program"), ("ru", "другая программа")]
)
def test_a_port_that_is_taken_is_named_before_anything_is_made(data, language, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for command in ("serve", "demo"):
            told = command, "--port", address.rpartition(":")[2], "--data", data
            done = run(*told, DEALFOLIO_LANGUAGE=language)
            assert done.returncode == 1
            assert said in done.stderr
            assert address in done.stderr
            assert not done.stdout
            assert not data.exists()


def test_an_address_of_another_machine_is_named(data):
    done = run("serve", "--host", "192.0.2.1", "--data", data, DEALFOLIO_INSECURE_HOST="yes")
    assert done.returncode == 1
    assert "Nobody can listen at http://192.0.2.1:8000" in done.stderr


def test_what_is_wrong_in_the_ledger_is_named(database):
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO ledger.postings VALUES (100, 0, 0, 'ActionPerformed', '2026-01-01', 7, 8,"
            " 'active', 0, 0, 0, 0, 'RUB')"
        )
    done = run("verify", DATABASE_URL=database)
    assert done.returncode == 1
    assert "postings: in the ledger and not in the log" in done.stdout
    assert "holders: without somebody who has postings" in done.stdout
    assert "2 differences" in done.stderr
    assert run("rebuild", DATABASE_URL=database).returncode == 0
    assert run("verify", DATABASE_URL=database).returncode == 0


def test_an_event_that_is_not_understood_gets_a_sentence(database):
    assert run("rebuild", "--afresh", DATABASE_URL=database).returncode == 0
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO books.events VALUES (gen_random_uuid(), 1, 'DealWon', '{}', 1, now())"
        )
    for command in ("rebuild", "verify"):
        done = run(command, DATABASE_URL=database)
        assert done.returncode == 1, command
        assert "DealWon, is not understood by this version" in done.stderr, command
        assert "Traceback" not in done.stderr, command


def test_the_doctor_names_what_is_not_durable(database):
    """The tests' server is not: it must say so, and how to mend it."""
    with psycopg.connect(database) as connection:
        row = connection.execute("SHOW fsync").fetchone()
    if row != ("off",):
        pytest.skip("this server is durable: TEST_DATABASE_URL")
    done = run("doctor", DATABASE_URL=database)
    assert done.returncode == 1
    assert "set fsync = on" in done.stdout


def test_the_doctor_speaks_russian_to_whoever_does(database):
    done = run("doctor", DATABASE_URL=database, DEALFOLIO_LANGUAGE="ru")
    assert "права на журнал" in done.stdout
    assert "что делать" in done.stdout
    assert "rights on the log" not in done.stdout


def test_what_to_do_is_told_to_the_end_in_a_narrow_terminal(database, monkeypatch):
    """Wider than a screen, it would be cut off where the name of the setting goes on."""
    monkeypatch.setitem(QUIET, "COLUMNS", "60")
    told = run("doctor", DATABASE_URL=database).stdout
    assert "…" not in told
    rows = [line.split("│") for line in told.splitlines() if "│" in line]
    assert "DEALFOLIO_SIGNING_KEY_FILE" in "".join(row[4].strip() for row in rows)


def test_a_database_of_a_newer_version_is_named_by_the_doctor_too(database):
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO books.migrations (name) VALUES ('beyond-us')")
    told = run("doctor", DATABASE_URL=database)
    assert told.returncode == 1
    assert "a newer version of Dealfolio made beyond-us" in " ".join(
        "".join(line.split("│")[4:5]).strip() for line in told.stdout.splitlines()
    )


def test_a_closed_trigger_is_found_by_the_doctor(database):
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE books.events DISABLE TRIGGER append_only")
    assert "append_only of books.events" in run("doctor", DATABASE_URL=database).stdout


def test_a_signing_key_is_rotated_and_the_doctor_names_the_new_one(database, tmp_path):
    key = {"DATABASE_URL": database, "DEALFOLIO_SIGNING_KEY_FILE": str(tmp_path / "key")}
    with closing(Service(database, Settings(signing_key_file=tmp_path / "key"))) as service:
        Accounts(service).create_first("a-token")
        service.proving.catch_up()
    done = run("audit", "rotate-key", **key)
    assert done.returncode == 0, done.stderr
    vkey = done.stdout.splitlines()[-1]
    assert vkey.startswith("dealfolio/log/")
    assert vkey in "".join(run("doctor", **key).stdout.split())
    assert len([*tmp_path.glob("key.*")]) == 2, "the old one, and what was signed last"
    done = run("audit", "rotate-key", DATABASE_URL=database)
    assert done.returncode == 1
    assert "DEALFOLIO_SIGNING_KEY_FILE" in done.stderr


def test_a_checkpoint_that_is_none_of_the_log_is_a_finding(database, tmp_path):
    key = {"DATABASE_URL": database, "DEALFOLIO_SIGNING_KEY_FILE": str(tmp_path / "key")}
    with closing(Service(database, Settings(signing_key_file=tmp_path / "key"))) as service:
        Accounts(service).create_first("a-token")
        service.proving.catch_up()
        with service.asking() as cursor:
            signed = newest_signed(cursor)
    assert signed is not None
    for kept, said in ((signed.size, False), (signed.size + 1, True)):
        done = run("audit", "bundle", "--kept", kept, "-o", tmp_path / "bundle", **key)
        assert done.returncode == 0, done.stderr
        assert ("That is a finding" in done.stderr) == said


def test_a_disk_that_is_full_is_told_in_a_sentence(database):
    with Path("/dev/full").open("w") as full:
        journal = "audit", "journal", "--format", "hledger"
        done = run_alone(*journal, stdout=full, DATABASE_URL=database)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_cannot_be_asked_is_told_how_to_say_yes(database, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.MonkeyPatch.context() as here, redirect_stderr(StringIO()) as err:
        here.setenv("DATABASE_URL", database)
        here.setenv("DEALFOLIO_LANGUAGE", "en")
        here.setattr(sys, "argv", ["dealfolio", "forget", "anna"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 1
    assert "--yes" in err.getvalue()


def test_who_stops_it_while_it_loads_sees_no_trace():
    stopping = (
        "import sys, api.__main__ as entry\n"
        "class Stopped:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'api.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stopped())\n"
        "entry.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", stopping], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["portfolio", "--as-of", "2026-02-30"], "2026-02-30"),
        (["portfolio", "--known-at", "yesterday"], "yesterday"),
        (["portfolio", "--as-of", "2099-01-01"], "has not come yet"),
        (["portfolio", "--manager", "nobody"], "There is no manager nobody here"),
        (["import", "nowhere.csv"], "nowhere.csv"),
        (["audit", "journal", "--format", "hledger", "-o", "nowhere/books"], "nowhere/books"),
        (["audit", "bundle", "-o", "/"], "is a directory"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_arguments_get_a_sentence(database, arguments, said):
    done = run(*arguments, DATABASE_URL=database)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_database_gets_a_sentence(tmp_path):
    url = f"postgresql://nobody@/postgres?host={tmp_path}"
    for command in ("serve", "doctor", "verify"):
        done = run(command, DATABASE_URL=url)
        assert done.returncode == 1, command
        assert "Traceback" not in done.stderr, command
        assert "DATABASE_URL" in done.stdout + done.stderr


def test_who_waits_for_another_writer_in_vain_is_told_so(database, tmp_path):
    """A second import beside a first, say; the database is there, and nothing of it to check."""
    deals = sheet_of_deals(tmp_path)
    assert run("import", deals, "--dry-run", DATABASE_URL=database).returncode == 0
    with psycopg.connect(database) as holder:
        holder.execute("SELECT books.lock_for_writing()")
        done = run("import", deals, DATABASE_URL=database)
    assert done.returncode == 1
    assert "Nothing was recorded: somebody else is writing" in done.stderr
    assert "check DATABASE_URL" not in done.stderr


@pytest.mark.parametrize("command", ["portfolio", "verify", "doctor"])
def test_nobody_is_told_of_books_that_the_question_itself_has_made(data, command):
    """By a slip in the path, or from another directory."""
    done = run(command, "--data", data)
    assert done.returncode == 1
    assert f"There is no database in {data}" in done.stderr
    assert not data.exists()


def test_a_person_is_forgotten_by_id_once(database):
    with psycopg.connect(database) as connection:
        service = Service(database, Settings())
        account = Accounts(service).open(None, "Пётр Волков", Grant(Role.AUDITOR))
        service.close()
        asked = run("forget", account, DATABASE_URL=database)
        assert asked.returncode == 1, "nobody said yes"
        done = run("forget", account, "--yes", DATABASE_URL=database)
        assert (done.returncode, "position 2" in done.stdout) == (0, True), done.stderr
        assert connection.execute("SELECT name FROM books.people").fetchall() == []
    again = run("forget", account, "--yes", DATABASE_URL=database)
    assert again.returncode == 0
    assert "nothing was changed" in again.stdout
    stranger = run("forget", "nobody", "--yes", DATABASE_URL=database)
    assert stranger.returncode == 1
    assert "There is no manager or account nobody here" in stranger.stderr
    assert "position" not in stranger.stdout


def test_import_reports_and_stores(database, tmp_path):
    deals = tmp_path / "deals.csv"
    deals.write_text(
        "deal;title;client;potential_check;manager;opened_on\n"
        "1;Витрины;Ромашка;400000000,00;Анна Соколова;12.01.2026\n",
        encoding="cp1251",
    )
    checked = run("import", deals, "--dry-run", DATABASE_URL=database)
    assert checked.returncode == 0, checked.stderr
    assert "nothing stored" in checked.stdout
    stored = run("import", deals, DATABASE_URL=database)
    assert "1 deals, 0 actions, 1 managers" in stored.stdout
    deals.write_text(deals.read_text("cp1251").replace("400000000,00", "много"), "utf-8")
    wrong = run("import", deals, DATABASE_URL=database)
    assert wrong.returncode == 1
    assert "deals.csv:2 [potential_check]" in wrong.stderr


def test_an_import_may_be_the_first_that_is_done_at_a_place(data, tmp_path):
    deals = sheet_of_deals(tmp_path)
    stored = run("import", deals, "--data", data)
    assert stored.returncode == 0, stored.stderr
    assert "1 deals, 0 actions, 1 managers" in stored.stdout
    told = run("portfolio", "--data", data)
    assert told.returncode == 0, told.stderr
    assert "Анна Соколова" in told.stdout
