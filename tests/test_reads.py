"""Who looked at what is noted; who is forgotten is an id and nothing else, and figures stay."""

from collections.abc import Iterator

import psycopg
import pytest

from api.accounts import OPERATOR
from api.questions import QUESTIONS
from application.orders import Order, Unavailable
from domain.access import Task
from domain.access_commands import ForgetPerson
from domain.errors import NotFound
from domain.values import ManagerId
from tests.over_http import Company, Person, company, refused


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


def forget(here: Company, manager: str) -> int:
    order = Order(ForgetPerson(ManagerId(manager)), OPERATOR)
    return here.service.dealfolio.transactor.submit(order).result(10).position


def test_who_is_forgotten_is_an_id_and_every_figure_stays(here: Company, database: str) -> None:
    anna = here.manager("Анна Соколова")
    own: Person = here.hire("manager", manager_id=anna)
    here.act(here.deal(anna), anna, here.kind("5.00"), "2026-02-03")
    before = here.director.ask(f"/v1/managers/{anna}/portfolio")
    position = forget(here, anna)
    after = here.director.ask(f"/v1/managers/{anna}/portfolio")
    assert (before["name"], after["name"]) == ("Анна Соколова", None)
    assert after["currencies"] == before["currencies"]
    assert after["currencies"][0]["active"] == "20000000.00"
    event = here.director.ask("/v1/events", after=position - 1)["events"][0]
    assert (event["type"], event["data"]) == ("PersonForgotten", {"manager_id": anna})
    with psycopg.connect(database) as connection:
        people = {who for (who,) in connection.execute("SELECT person_id FROM books.people")}
    assert not people & {anna, own.account_id}
    assert here.director.account_id in people


def test_nobody_who_is_not_there_is_forgotten(here: Company) -> None:
    with pytest.raises(NotFound):
        forget(here, "nobody")
