"""Who looked at what is noted; who is forgotten is an id and nothing else, and figures stay."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event as Signal
from time import sleep
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Cursor

from api import reads
from api.accounts import Accounts
from api.questions import QUESTIONS
from api.reads import Read, ReadLog
from application.orders import Unavailable
from domain.access import Task
from domain.errors import NotAllowedNow, NotFound, Obstacle
from domain.values import AccountId
from tests.browser import Browser
from tests.over_http import AUTUMN, Company, Person, company, refused

SECONDS = 20


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    with company(database) as here:
        yield here


def lines(here: Company, **wanted: object) -> list[tuple[str, int, str | None, str | None]]:
    return [
        (line["question"], line["status"], line["manager_id"], line["deal_id"])
        for page in here.director.pages("/v1/reads", **wanted)
        for line in page["reads"]
        if line["question"] != "listReads"
    ]


# ---------------------------------------------------------------------------- the read log


def test_who_looked_at_which_portfolio_as_of_when_can_be_asked(here: Company) -> None:
    anna = here.manager()
    auditor = here.hire("auditor")
    auditor.ask(f"/v1/managers/{anna}/portfolio", as_of="2026-06-30", known_at="2026-07-01")
    here.director.ask("/v1/portfolios")
    (line,) = here.director.ask("/v1/reads", manager_id=anna)["reads"]
    assert line.pop("read_at").startswith("2026-10-20T09:00:00")
    assert line == {
        "account_id": auditor.account_id,
        "question": "getManagerPortfolio",
        "status": 200,
        "manager_id": anna,
        "deal_id": None,
        "asked": {"as_of": "2026-06-30", "known_at": "2026-07-01"},
    }
    assert lines(here, account_id=here.director.account_id) == [("getPortfolios", 200, None, None)]


def test_whom_a_question_names_beside_its_address_is_noted_as_well(here: Company) -> None:
    anna = here.manager()
    here.director.ask("/v1/deals", manager_id=anna)
    here.director.ask("/v1/portfolios/movement", from_="2026-01-01", to="2026-02-01")
    here.director.ask(
        "/v1/portfolios/movement", from_="2026-01-01", to="2026-02-01", manager_id=anna
    )
    assert lines(here, manager_id=anna) == [
        ("listDeals", 200, anna, None),
        ("getMovement", 200, anna, None),
    ]


def test_an_attempt_is_noted_too_with_what_came_of_it(here: Company) -> None:
    anna, boris = here.manager(), here.manager()
    deal = here.deal(boris)
    curious = here.hire("manager", manager_id=anna)
    refused(curious.get(f"/v1/managers/{boris}/portfolio"), 404, "not-found")
    refused(curious.get(f"/v1/deals/{deal}"), 404, "not-found")
    refused(curious.get("/v1/events"), 403, "forbidden")
    assert lines(here, account_id=curious.account_id) == [
        ("getManagerPortfolio", 404, boris, None),
        ("getDeal", 404, None, deal),
        ("listEvents", 403, None, None),
    ]
    assert lines(here, deal_id=deal) == [("getDeal", 404, None, deal)]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/portfolios?as_of=%00",
        "/v1/portfolios?%00=1",
        "/v1/portfolios/movement?from=2026-01-01&to=2026-02-01&manager_id=%00",
        "/v1/managers/%00/portfolio",
        "/v1/deals/%00",
    ],
)
def test_a_question_that_cannot_be_stored_as_it_was_asked_keeps_no_other_from_being_noted(
    here: Company, path: str
) -> None:
    assert here.director.get(path).status_code in {404, 422}
    here.director.ask("/v1/portfolios")
    assert [line[0] for line in lines(here)][1:] == ["getPortfolios"]
    assert here.director.get("/v1/reads?manager_id=%00").status_code == 422


def test_the_catalogue_and_the_names_of_people_leave_no_line(here: Company) -> None:
    for path in ("/v1/action-types", "/v1/managers", "/v1/teams", "/v1/periods", "/v1/rules"):
        here.director.ask(path)
    assert lines(here) == []
    assert QUESTIONS["listManagers"] is Task.LOOK_UP


def test_reads_come_by_pages_and_by_time(here: Company) -> None:
    for _ in range(5):
        here.director.ask("/v1/portfolios")
    assert len(list(here.director.pages("/v1/reads", limit=2))) >= 3
    at = "2026-10-20T12:00:00+03:00"
    assert len(lines(here, from_=at)) == 5
    assert lines(here, to=at) == []


def test_reads_are_written_also_when_nobody_asks_for_them(here: Company, database: str) -> None:
    here.director.ask("/v1/portfolios")
    here.service.reads.close()
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT question FROM books.reads").fetchone()
    assert row == ("getPortfolios",)


def test_reads_wait_for_a_database_that_is_away(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.director.ask("/v1/portfolios")

    def away() -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(here.service.reads, "_asking", away)
        with pytest.raises(Unavailable):
            here.service.reads.write()
    assert lines(here) == [("getPortfolios", 200, None, None)]


def test_of_more_than_can_wait_the_earliest_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_WAITING", 3)

    @contextmanager
    def away() -> Iterator[Cursor[Any]]:
        note(4)
        raise Unavailable("the database is away")
        yield

    def note(number: int) -> None:
        noted.note(Read(AUTUMN, AccountId(UUID(int=number)), "", 200, None, None, {}))

    noted = ReadLog(away)
    for number in (1, 2, 3):
        note(number)
    with pytest.raises(Unavailable):
        noted.write()
    assert [one.account_id.int for one in noted._waiting] == [2, 3, 4]
    noted._waiting.clear()
    noted.close()


def test_what_is_being_written_is_there_for_whoever_asks_meanwhile(here: Company) -> None:
    reached, let_go, noted = Signal(), Signal(), here.service.reads
    asking = here.service.asking

    @contextmanager
    def slowly() -> Iterator[Cursor[Any]]:
        noted._asking = asking
        reached.set()
        assert let_go.wait(SECONDS)
        with asking() as cursor:
            yield cursor

    here.director.ask("/v1/portfolios")
    noted.write()
    before = len(lines(here))
    noted._asking = slowly
    here.director.ask("/v1/portfolios")
    assert reached.wait(SECONDS), "it is written by itself"
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(lines, here)
        sleep(0.2)
        let_go.set()
        assert len(asked.result(SECONDS)) == before + 1


def test_nobody_rewrites_who_read_what(here: Company, database: str) -> None:
    here.director.ask("/v1/portfolios")
    here.service.reads.write()
    for statement in ("UPDATE books.reads SET status = 404", "DELETE FROM books.reads"):
        with (
            psycopg.connect(database) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


# ---------------------------------------------------------------------------- forgetting


def forget(here: Company, person: str) -> int:
    """The position at which the log says so."""
    return Accounts(here.service).forget(person)


def traces(database: str, *ids: str) -> list[str]:
    """The tables, of those that name people, in which one of `ids` still stands."""
    named = {"people": "person_id", "passwords": "account_id", "sessions": "account_id",
             "identities": "account_id"}  # fmt: skip
    with psycopg.connect(database) as connection:
        return [
            table
            for table, column in named.items()
            if connection.execute(
                f"SELECT 1 FROM books.{table} WHERE {column}::text = ANY(%s)", [list(ids)]
            ).fetchone()
        ]


def signs_in(here: Company, person: Person) -> Browser:
    """With everything that beside the name says who somebody is."""
    path = f"/v1/accounts/{person.account_id}"
    code = here.admin.do(f"{path}/password", {"login": f"p-{person.account_id}"})["code"]
    browser = Browser(here)
    body = {"code": code, "password": "seven tall glass doors"}
    assert browser.post("/auth/setup", body).status_code == 204
    with here.service.asking() as cursor:
        link = "INSERT INTO books.identities VALUES ('https://sso', %s, %s)"
        cursor.execute(link, [f"s-{person.account_id}", person.account_id])
    return browser


def test_who_is_forgotten_is_an_id_and_every_figure_stays(here: Company, database: str) -> None:
    anna = here.manager("Анна Соколова")
    own: Person = here.hire("manager", manager_id=anna)
    signs_in(here, own)
    here.act(here.deal(anna), anna, here.kind("5.00"), "2026-02-03")
    before = here.director.ask(f"/v1/managers/{anna}/portfolio")
    assert traces(database, anna, own.account_id) == [
        "people", "passwords", "sessions", "identities",
    ]  # fmt: skip
    position = forget(here, anna)
    after = here.director.ask(f"/v1/managers/{anna}/portfolio")
    assert (before["name"], after["name"]) == ("Анна Соколова", None)
    assert after["currencies"] == before["currencies"]
    assert after["currencies"][0]["active"] == "20000000.00"
    event = here.director.ask("/v1/events", after=position - 1)["events"][0]
    assert event["type"] == "PersonForgotten"
    assert event["data"] == {"manager_id": anna, "account_ids": [own.account_id]}
    assert traces(database, anna, own.account_id) == []
    assert traces(database, here.director.account_id) == ["people"]


@pytest.mark.parametrize("role", ["director", "auditor", "admin"])
def test_who_is_no_manager_is_forgotten_by_their_account(
    here: Company, database: str, role: str
) -> None:
    person, other = here.hire(role), here.hire(role)
    browser = signs_in(here, person)
    assert browser.get("/v1/action-types").status_code == 200
    position = forget(here, person.account_id)
    event = here.director.ask("/v1/events", after=position - 1)["events"][0]
    assert event["data"] == {"account_ids": [person.account_id]}
    assert traces(database, person.account_id) == []
    refused(browser.get("/v1/action-types"), 401, "unauthenticated")
    refused(person.get("/v1/action-types"), 401, "unauthenticated")
    assert other.get("/v1/action-types").status_code == 200
    listed = {one["account_id"] for one in here.admin.ask("/v1/accounts")["accounts"]}
    assert other.account_id in listed
    assert person.account_id not in listed


def test_by_whichever_id_a_person_is_named_they_are_forgotten_wholly(
    here: Company, database: str
) -> None:
    anna = here.manager("Анна Соколова")
    first, second = (here.hire("manager", manager_id=anna) for _ in range(2))
    assert here.admin.http.delete(f"/v1/accounts/{first.account_id}").status_code == 204
    ids = (anna, first.account_id, second.account_id)
    forget(here, first.account_id)
    assert traces(database, *ids) == []
    for one in ids:
        with pytest.raises(NotAllowedNow):
            forget(here, one)


def test_a_closed_account_can_be_forgotten_too(here: Company, database: str) -> None:
    person = here.hire("auditor")
    assert here.admin.http.delete(f"/v1/accounts/{person.account_id}").status_code == 204
    assert traces(database, person.account_id) == ["people"]
    forget(here, person.account_id)
    assert traces(database, person.account_id) == []


def test_forgetting_again_changes_nothing_and_says_so(here: Company) -> None:
    anna, auditor = here.manager(), here.hire("auditor")
    for person in (anna, auditor.account_id):
        position = forget(here, person)
        with pytest.raises(NotAllowedNow) as refusal:
            forget(here, person)
        assert refusal.value.obstacle is Obstacle.ALREADY_FORGOTTEN
        assert here.position == position


def test_an_account_made_after_its_manager_was_forgotten_is_forgotten_in_its_turn(
    here: Company, database: str
) -> None:
    anna = here.manager()
    forget(here, anna)
    later = here.hire("manager", manager_id=anna)
    forget(here, anna)
    assert traces(database, later.account_id) == []


@pytest.mark.parametrize("stranger", ["nobody", "", "00000000-0000-0000-0000-000000000000"])
def test_nobody_who_is_not_there_is_forgotten(here: Company, stranger: str) -> None:
    before = here.position
    with pytest.raises(NotFound):
        forget(here, stranger)
    assert here.position == before


def test_the_last_administrator_is_not_forgotten(here: Company) -> None:
    (account,) = here.admin.ask("/v1/accounts", limit=1)["accounts"]
    with pytest.raises(NotAllowedNow) as refusal:
        forget(here, account["account_id"])
    assert refusal.value.obstacle is Obstacle.LAST_ADMIN
    assert here.admin.get("/v1/accounts").status_code == 200


def test_no_manager_takes_the_place_of_an_account(here: Company, database: str) -> None:
    """Else the manager's name would be written over the account's, and forgotten with it."""
    closed, gone = here.hire("auditor"), here.hire("auditor")
    assert here.admin.http.delete(f"/v1/accounts/{closed.account_id}").status_code == 204
    forget(here, gone.account_id)
    for person in (here.director, closed, gone):
        body = {"name": "Самозванец", "manager_id": person.account_id}
        refused(here.director.post("/v1/managers", body), 409, "not-allowed-now")
    with psycopg.connect(database) as connection:
        names = connection.execute("SELECT FROM books.people WHERE name = 'Самозванец'").fetchall()
    assert names == []
