"""A database as version 0.1 left it: accounts have their roles in a table, and none in the log; the
ledger names managers and deals by their ids.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from api.accounts import Accounts
from api.operating import schema, upgrade
from api.service import Service
from api.settings import Settings
from application.orders import Order
from domain.access import Grant
from domain.access_commands import RevokeRole
from domain.deal_commands import ReviseExpectedClose
from domain.errors import NotAllowedNow
from domain.events import DealOpened, ManagerRegistered, Recorded, encode
from domain.values import AccountId, DealId, ManagerId, Money, Role, stream_of
from projections.point import BEYOND
from projections.portfolio import portfolios_from_ledger
from projections.verify import verify
from tests.conftest import new_database
from tests.histories import PROFILE
from tests.test_cli import answered, serving

ANNA, STRANGER = ManagerId("anna"), ManagerId("nobody")
PEOPLE: dict[str, tuple[Role, ManagerId | None]] = {
    "Ольга": (Role.ADMIN, None),
    "Дина": (Role.DIRECTOR, None),
    "Анна": (Role.MANAGER, ANNA),
}
IDS = {name: AccountId(uuid4()) for name in (*PEOPLE, "Фёдор", "Ушедшая")}
_LEDGER = """
DROP SCHEMA ledger CASCADE;
DROP TYPE books.account, books.cause;
CREATE SCHEMA ledger AUTHORIZATION dealfolio_owner;
SET ROLE dealfolio_owner;
CREATE TABLE ledger.postings (
    position bigint NOT NULL, due_position bigint NOT NULL, due_cause text NOT NULL,
    deal_id uuid NOT NULL, manager_id text NOT NULL, account text NOT NULL,
    effective_on date NOT NULL, currency text NOT NULL, amount bigint NOT NULL,
    credit integer NOT NULL, progress integer NOT NULL, actions integer NOT NULL,
    deals integer NOT NULL
);
CREATE TABLE ledger.deals (
    deal_id uuid PRIMARY KEY, position bigint NOT NULL UNIQUE, opened_on date NOT NULL,
    title text NOT NULL, client text NOT NULL, currency text NOT NULL
);
CREATE TABLE ledger.deal_states (
    deal_id uuid NOT NULL, effective_on date NOT NULL, position bigint NOT NULL,
    status text NOT NULL, owner text NOT NULL, potential_check bigint NOT NULL,
    progress integer NOT NULL, expected_close_on date
);
GRANT USAGE ON SCHEMA ledger TO dealfolio_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ledger TO dealfolio_app;
RESET ROLE
"""
_ACCOUNT = """
INSERT INTO books.accounts (account_id, name, role, manager_id, token_hash, closed_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_EVENT = """
INSERT INTO books.events
    (originator_id, originator_version, topic, state, notification_id, recorded_at)
VALUES (%s, 1, %s, %s, %s, %s)
"""


def token(name: str) -> str:
    return f"df_of-{IDS[name]}"


@pytest.fixture
def old(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With an administrator, a director, and somebody whose account was closed."""
    with new_database(server, "template1") as database:
        with monkeypatch.context() as patched:
            patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
            assert schema.migrate(database) == ["books"]
        with psycopg.connect(database) as connection:
            connection.execute(_LEDGER)
            for name in ("Ольга", "Дина"):
                add(connection, name, *PEOPLE[name])
            add(connection, "Ушедшая", Role.DIRECTOR, None, datetime(2026, 1, 1, tzinfo=UTC))
        yield database


@pytest.fixture
def selling(old: str) -> str:
    """And with a manager."""
    with psycopg.connect(old) as connection:
        at = datetime(2026, 2, 2, 9, tzinfo=UTC)
        event = ManagerRegistered(manager_id=ANNA)
        recorded = Recorded(stream_of("manager", ANNA), 1, 1, at, "old", None, event)
        row = [recorded.originator_id, recorded.type, encode(recorded), 1, at]
        connection.execute(_EVENT, row)
        add(connection, "Анна", *PEOPLE["Анна"])
    return old


def add(
    connection: psycopg.Connection[Any],
    name: str,
    role: Role,
    manager: ManagerId | None,
    closed_at: datetime | None = None,
) -> None:
    hashed = None if closed_at else sha256(token(name).encode()).digest()
    connection.execute(_ACCOUNT, [IDS[name], name, role.value, manager, hashed, closed_at])


def grants(database: str) -> dict[AccountId, Grant]:
    with closing(Service(database, Settings())) as service, service.asking() as cursor:
        return dict(service.directory.at(cursor, BEYOND).access.grants)


def granted(database: str) -> Counter[UUID]:
    """How often the log gives each account a role."""
    with psycopg.connect(database) as connection:
        given = "SELECT originator_id FROM books.events WHERE topic = 'RoleGranted'"
        return Counter(account for (account,) in connection.execute(given))


def waiting(database: str) -> list[UUID]:
    with psycopg.connect(database) as connection:
        left = "SELECT account_id FROM books.roles_before_the_log"
        return [account for (account,) in connection.execute(left)]


def test_everybody_has_the_role_they_had_and_the_log_says_so_once(selling: str) -> None:
    expected = {IDS[name]: Grant(*given) for name, given in PEOPLE.items()}
    for _ in range(2):
        upgrade.prepare(selling, Settings())
        assert grants(selling) == expected
        assert granted(selling) == Counter(expected.keys())
        assert waiting(selling) == []


def test_the_ledger_is_made_anew_once_and_goes_on(
    selling: str, caplog: pytest.LogCaptureFixture
) -> None:
    deal, day = DealId(uuid4()), date(2026, 2, 2)
    with psycopg.connect(selling) as connection:
        at = datetime(2026, 2, 2, 10, tzinfo=UTC)
        check = Money(amount=40_000_000_000, currency="RUB")
        event = DealOpened(title="Пресс", client="Завод", potential_check=check, manager_id=ANNA)
        recorded = Recorded(deal, 1, 2, at, "old", day, event)
        row = [recorded.originator_id, recorded.type, encode(recorded), 2, at]
        connection.execute(_EVENT, row)
    upgrade.prepare(selling, Settings())
    assert caplog.text.count("the ledger is made anew") == 1, "two changes since then"
    with closing(Service(selling, Settings(), lambda: datetime(2026, 3, 1, tzinfo=UTC))) as service:
        order = Order(ReviseExpectedClose(deal, date(2026, 9, 1), day), "desk")
        assert service.dealfolio.transactor.submit(order).result(30).version == 2
        with service.asking() as cursor:
            assert portfolios_from_ledger(cursor, day, BEYOND)["RUB"][ANNA].deals == 1
    assert verify(selling, lambda _done, _of: None).count == 0
    assert schema.migrate(selling) == []


def test_a_log_that_cannot_be_replayed_gets_a_sentence_and_keeps_its_ledger(old: str) -> None:
    with psycopg.connect(old) as connection:
        row = [uuid4(), "DealOpened", b"{}", 1, datetime(2026, 2, 2, tzinfo=UTC)]
        connection.execute(_EVENT, row)
    with pytest.raises(schema.SchemaError, match=r"stands as it was: .*DealOpened, is not underst"):
        schema.migrate(old)
    with psycopg.connect(old) as connection:
        assert connection.execute("SELECT count(deal_id) FROM ledger.postings").fetchone() == (0,)


def test_two_starts_at_once_grant_each_role_once(
    selling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_looked, look = Barrier(2), upgrade._waiting

    def looked(service: Service) -> list[Any]:
        rows = look(service)
        both_have_looked.wait(20)
        return rows

    monkeypatch.setattr(upgrade, "_waiting", looked)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(upgrade.prepare, selling, Settings()) for _ in range(2)]:
            done.result(30)
    assert granted(selling) == Counter(IDS[name] for name in PEOPLE)
    assert waiting(selling) == []


def test_a_start_that_was_broken_off_gives_nobody_back_what_was_taken_since(selling: str) -> None:
    schema.migrate(selling)
    with psycopg.connect(selling) as connection:
        before = connection.execute("SELECT * FROM books.roles_before_the_log").fetchall()
    upgrade.prepare(selling, Settings())
    with closing(Service(selling, Settings())) as service:
        Accounts(service).grant(None, IDS["Анна"], Grant(Role.AUDITOR))
        Accounts(service)._do(None, RevokeRole(IDS["Дина"]))
    with psycopg.connect(selling) as connection:  # as if nothing had been struck off the list
        row = "INSERT INTO books.roles_before_the_log VALUES (%s, %s, %s, %s)"
        connection.cursor().executemany(row, before)
    upgrade.prepare(selling, Settings())
    assert grants(selling) == {
        IDS["Ольга"]: Grant(Role.ADMIN), IDS["Анна"]: Grant(Role.AUDITOR),
    }  # fmt: skip
    assert waiting(selling) == []


def test_who_stands_for_a_manager_that_is_not_there_keeps_waiting_and_holds_up_nobody(
    old: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(old) as connection:
        add(connection, "Фёдор", Role.MANAGER, STRANGER)
    with caplog.at_level(logging.WARNING, "dealfolio"):
        upgrade.prepare(old, Settings())
    assert set(grants(old)) == {IDS["Ольга"], IDS["Дина"]}
    assert waiting(old) == [IDS["Фёдор"]]
    assert str(IDS["Фёдор"]) in caplog.text
    assert STRANGER in caplog.text


def test_whom_0_1_had_closed_can_be_forgotten_though_the_log_never_knew_them(old: str) -> None:
    upgrade.prepare(old, Settings())
    gone = str(IDS["Ушедшая"])
    with closing(Service(old, Settings())) as service:
        Accounts(service).forget(gone.upper())
        with pytest.raises(NotAllowedNow):
            Accounts(service).forget(gone)
    with psycopg.connect(old) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM books.people")}
    assert names == {"Ольга", "Дина"}


STARTS = (
    [[(command, workers)] * 2 for command in ("serve", "demo") for workers in (1, 2)]
    if PROFILE == "long"
    else [[("serve", 2), ("serve", 1)], [("demo", 1)]]
)
"""Of one and the same database, one after the other."""


@pytest.mark.parametrize("starts", STARTS, ids=str)
def test_whoever_had_a_key_has_it_after_the_upgrade_however_it_is_started(
    old: str, tmp_path: Path, starts: list[tuple[str, int]]
) -> None:
    for command, workers in starts:
        environment = {"DATABASE_URL": old, "DEALFOLIO_WORKERS": str(workers)}
        with serving(command, tmp_path, **environment) as (address, _):
            for name, path in {"Ольга": "/v1/accounts", "Дина": "/v1/portfolios"}.items():
                for _ in range(2 * workers):  # a connection each: every worker gets some
                    answer = answered(address + path, token(name))
                    assert answer.status_code == 200, answer.text
            gone = answered(f"{address}/v1/portfolios", token("Ушедшая"))
            assert gone.status_code == 401
        given = granted(old)
        assert (given[IDS["Ольга"]], given[IDS["Дина"]], given[IDS["Ушедшая"]]) == (1, 1, 0)
