"""Certified against now: what each closing kept, what the ledger gives there today, and what is
known now, down to the event and its author.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service import Service
from api.settings import Settings
from api.words import NOT_WHAT_WAS_CERTIFIED
from application.orders import Answer, Order
from domain.directory_commands import ClosePeriod, RegisterManager, ReopenPeriod
from domain.events import DealEvent, Recorded, is_about_a_deal
from domain.periods import Month
from domain.values import Account, DealId, ManagerId
from projections.certified import certified_from_ledger, certified_of
from tests.browser import page_of
from tests.conftest import new_database
from tests.histories import (
    NOON,
    Plot,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    read_log,
)
from tests.over_http import Company, company, refused
from tests.test_pages_figures import rows

_chapters = count(1)
JANUARY = Month(2026, 1)
JUNE = {"period": "2026-06"}


# ---------------------------------------------------------------------------- any history


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    service = Service(shared_database, Settings(), lambda: NOON)
    _record(service, [Order(command, "director") for command in catalogue_commands()])
    yield service
    service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes)


@given(plots(16, 30), st.lists(st.integers(0, 1000), min_size=2, max_size=3), st.integers(0, 1000))
@examples(12)
def test_any_closing_at_any_knowledge_is_as_the_definition_has_it(
    service: Service, plot: Plot, closed: list[int], asked: int
) -> None:
    """January is closed and reopened in the middle of its history, while more of it is recorded."""
    number = next(_chapters)
    people = [RegisterManager(who, who) for who in cast_of(number)]
    _record(service, [Order(one, "admin") for one in people])
    told = [command_for(fact) for fact in play(plot, number).log]
    begun = 0
    for author, part in enumerate(sorted(closed)):
        end = len(told) * part // 1000
        _record(service, [Order(one, f"author {author}") for one in told[begun:end]])
        _record(service, [Order(ClosePeriod(JANUARY), "closer")])
        _record(service, [Order(ReopenPeriod(JANUARY, "ещё не всё"), "opener")])
        begun = end
    _record(service, [Order(one, "last") for one in told[begun:]])
    with service.asking() as cursor:
        events = read_log(cursor)
        log = dict[DealId, list[Recorded[DealEvent]]]()
        for event in filter(is_about_a_deal, events):
            log.setdefault(DealId(event.originator_id), []).append(event)
        last = events[-1].position
        closings = service.directory.closings(cursor, last)[-len(closed) :]
        for closing in closings:
            position = closing.position + (last - closing.position) * asked // 1000
            found = certified_from_ledger(cursor, closing, position)
            assert found == certified_of(log, closing, position)
            assert found.holds
            learnt = Counter[tuple[ManagerId, str, Account]]()
            for told_ in found.lines:
                line = told_.line
                learnt[line.manager_id, told_.currency, line.account] += line.amount
            rows = {row[:3]: row.now - row.replayed for row in found.rows}
            assert {key: rows.get(key, 0) for key in learnt | rows} == {
                key: learnt.get(key, 0) for key in learnt | rows
            }


# ---------------------------------------------------------------------------- as it is asked for


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    """June is closed on 5 July, reopened on 11 July for a forgotten action, and closed again; July
    is closed, too. Anna also has a deal in dollars.
    """
    with company(database, datetime(2026, 7, 5, 9, tzinfo=UTC)) as begun:
        anna, boris = begun.manager(), begun.manager()
        begun.kind("5.00", code="proposal")
        begun.kind("2.00", code="data", needs_confirmation=True)
        deal = begun.deal(anna, "400000000.00")
        begun.act(deal, anna, "proposal", "2026-06-12")
        begun.act(deal, boris, "data", "2026-06-15")
        dollars = begun.deal(anna, "1000.00", currency="USD")
        begun.act(dollars, anna, "proposal", "2026-06-12")
        begun.director.do("/v1/periods/2026-06/closing")
        begun.clock.now = datetime(2026, 7, 11, 9, tzinfo=UTC)
        begun.director.do("/v1/periods/2026-06/reopening", {"reason": "Забыто действие"})
        begun.second = begun.hire("director")  # type: ignore[attr-defined]
        begun.second.do(  # type: ignore[attr-defined]
            f"/v1/deals/{deal}/actions",
            {"action_type": "proposal", "manager_id": anna, "effective_on": "2026-06-30"},
        )
        begun.clock.now = datetime(2026, 8, 3, 9, tzinfo=UTC)
        begun.director.do("/v1/periods/2026-06/closing")
        begun.director.do("/v1/periods/2026-07/closing")
        yield begun


def certified(here: Company, **asked: object) -> list[dict[str, Any]]:
    closings = here.director.ask("/v1/audit/certified", **asked)["closings"]
    assert isinstance(closings, list)
    return closings


def test_each_closing_is_told_with_what_has_become_of_it(here: Company) -> None:
    told = [(one["period"], one["status"]) for one in certified(here)]
    assert told == [("2026-07", "closed"), ("2026-06", "closed"), ("2026-06", "replaced")]
    first = certified(here, **JUNE)[-1]
    assert certified(here, position=first["position"] - 1) == []
    assert [one["status"] for one in certified(here, position=first["position"])] == ["closed"]
    assert [one["status"] for one in certified(here, position=first["position"] + 1)] == [
        "reopened"
    ]
    assert first["actor"] == here.director.account_id
    assert first["recorded_at"].startswith("2026-07-05T09")
    assert first["knew"] == first["position"] - 1


def test_a_difference_is_told_by_its_event_and_author(here: Company) -> None:
    now, then = certified(here, **JUNE)
    assert now["lines"] == []
    assert {row["difference"] for row in now["rows"]} == {"0.00"}
    by_key = {(row["manager_id"], row["currency"], row["account"]): row for row in then["rows"]}
    anna = by_key["m-1", "RUB", "active"]
    assert (anna["certified"], anna["replayed"]) == ("20000000.00", "20000000.00")
    assert (anna["now"], anna["difference"]) == ("40000000.00", "20000000.00")
    assert by_key["m-2", "RUB", "claimed"]["certified"] == "8000000.00"
    assert by_key["m-1", "USD", "active"]["difference"] == "0.00"
    (line,) = then["lines"]
    assert line["actor"] == here.second.account_id  # type: ignore[attr-defined]
    assert (line["event"], line["account"], line["amount"]) == (
        "ActionPerformed", "active", "20000000.00",
    )  # fmt: skip
    assert (line["effective_on"], line["late_days"]) == ("2026-06-30", 11)
    assert line["position"] > then["position"]
    restated = here.director.ask(
        "/v1/portfolios/restatement", as_of="2026-06-30", from_position=then["knew"]
    )["lines"]
    assert [{**one, "actor": line["actor"], "currency": "RUB"} for one in restated] == [line]


def test_the_figures_are_those_of_the_month_and_of_the_portfolios(here: Company) -> None:
    periods = {one["period"]: one for one in here.director.ask("/v1/periods")["periods"]}
    for one in certified(here):
        if one["status"] != "closed":
            continue
        at_now = here.director.ask("/v1/portfolios", as_of=one["last_day"])
        for row in one["rows"]:
            (total,) = (
                total
                for total in periods[one["period"]]["totals"]
                if (total["manager_id"], total["currency"]) == (row["manager_id"], row["currency"])
            )
            assert total[row["account"]] == row["certified"]
            (line,) = (
                line
                for currency in at_now["currencies"]
                for line in currency["managers"]
                if (line["manager_id"], currency["currency"])
                == (row["manager_id"], row["currency"])
            )
            assert line[row["account"]] == row["now"]
            assert Decimal(row["now"]) - Decimal(row["certified"]) == Decimal(row["difference"])


def test_pages_follow_each_other_at_one_point(here: Company) -> None:
    whole = certified(here)
    pages = here.director.pages("/v1/audit/certified", limit=1)
    found = [next(pages)["closings"]]
    for month in ("2026-07", "2026-06"):
        here.director.do(f"/v1/periods/{month}/reopening", {"reason": "Между страницами"})
    found += [page["closings"] for page in pages]
    assert [one for page in found for one in page] == whole


ALTERED = (
    "UPDATE books.events SET state = replace(convert_from(state, 'UTF8'), '{}', '{}')::bytea"
    " WHERE topic = 'PeriodClosed'"
)


def altered_by_a_superuser(database: str, change: str, what: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for trigger in ("append_only", "append_only_rows"):
            connection.execute(f"ALTER TABLE books.events DISABLE TRIGGER {trigger}")
        assert connection.execute(change).rowcount == 1, what


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            "UPDATE ledger.postings SET amount = amount + 1"
            " WHERE account = 'active' AND amount <> 0",
            "ledger",
        ),
        (ALTERED.format("20000000.00", "20000000.01"), "log"),
        (ALTERED.format("20000000.00", "20000000.0000001"), "below what an amount is told by"),
        (ALTERED.format("20000000.00", "20000000.000"), "as nobody writes it"),
        (ALTERED.format("20000000.00", "abc"), "no number"),
        (ALTERED.format('"lost":"0.00"', '"lost":"NaN"'), "no number, where there is nothing"),
    ],
)
def test_what_is_certified_and_does_not_follow_any_more_is_an_alarm(
    server: str, template: str, change: str, what: str
) -> None:
    """By a superuser, who can do anything; asked of a service that has yet to read the log."""
    with new_database(server, template) as database:
        with company(database, datetime(2026, 7, 5, 9, tzinfo=UTC)) as here:
            anna = here.manager()
            here.kind("5.00", code="proposal")
            here.act(here.deal(anna), anna, "proposal", "2026-06-12")
            here.director.do("/v1/periods/2026-06/closing")
            assert certified(here)[0]["alarm"] is None
        altered_by_a_superuser(database, change, what)
        with company(database, datetime(2026, 7, 6, 9, tzinfo=UTC)) as here:
            for language, words in NOT_WHAT_WAS_CERTIFIED.items():
                answer = here.director.http.get(
                    "/v1/audit/certified", headers={"accept-language": language}
                )
                (one,) = answer.json()["closings"]
                assert one["alarm"] == words
                assert answer.headers["content-language"] == language
            assert any(row["certified"] != row["replayed"] for row in one["rows"])


@pytest.mark.parametrize("altered", ["abc", "NaN", "1e400"])
def test_the_pages_of_months_show_what_is_no_amount_as_none(
    server: str, template: str, altered: str
) -> None:
    with new_database(server, template) as database:
        with company(database, datetime(2026, 7, 5, 9, tzinfo=UTC)) as here:
            anna, boris = here.manager("Анна"), here.manager("Борис")
            here.kind("5.00", code="proposal")
            for owner, check in ((anna, "400000000.00"), (boris, "200000000.00")):
                here.act(here.deal(owner, check), owner, "proposal", "2026-06-12")
            here.director.do("/v1/periods/2026-06/closing")
        altered_by_a_superuser(database, ALTERED.format("20000000.00", altered), altered)
        with company(database, datetime(2026, 7, 6, 9, tzinfo=UTC)) as here:
            browser = page_of(here, here.director)
            pages = [browser.get(f"/periods{one}?lang=ru") for one in ("", "/2026-06")]
            assert [page.status_code for page in pages] == [200, 200]
            for page in pages:
                assert NOT_WHAT_WAS_CERTIFIED["ru"] in page.text
            (month,) = (row for row in rows(pages[0].text, "months-list") if row[0] == "июнь 2026")
            assert month[-3:] == ["—", "30,0", ""]
            assert [row[:4] for row in rows(pages[1].text, "list")] == [
                ["Анна", "—", "20,0", "—"],
                ["Борис", "10,0", "10,0", "0"],
                ["Итого", "—", "30,0", "—"],
            ]


def test_a_month_that_was_never_closed_has_nothing(here: Company) -> None:
    assert certified(here, period="2026-05") == []
    refused(here.director.get("/v1/audit/certified", period="June"), 422, "validation")
