"""A second opinion: hledger and beancount add the exported ledger up to what is defined."""

import csv
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from beancount import loader
from beancount.core import realization
from beancount.core.data import Transaction
from beancount.ops import summarize
from hypothesis import given
from hypothesis import strategies as st

from api.audit.command_line import write_journal
from api.service import Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.directory_commands import RegisterManager
from domain.events import DealEvent, Recorded, is_about_a_deal
from domain.history import state_at
from domain.ledger import holdings
from domain.values import DealId, ManagerId
from projections import journal
from projections.journal import Format, Journal, amount_text, component
from projections.movement import movement_between
from projections.point import Knowledge, point_at
from projections.portfolio import Log
from tests.histories import (
    DAYS,
    NOON,
    Plot,
    Point,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    points,
    read_log,
)
from tests.installed import installed
from tests.over_http import Company, company, refused
from tests.test_cli import run

ZONE = Settings().zone
Balances = dict[tuple[str, str], int]
"""By account and currency, in 1/10 000 of a kopeck; none of them zero."""
_chapters = count(1)


@pytest.fixture(scope="module")
def hledger() -> str:
    return installed("hledger")


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    service = Service(shared_database, Settings(), lambda: NOON)
    _record(service, [Order(command, "director") for command in catalogue_commands()])
    yield service
    service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes)


class Chapter(NamedTuple):
    """A history as it was recorded behind the position `first`, up to `last`; and whose it is."""

    people: tuple[ManagerId, ...]
    first: int
    last: int
    log: Log

    def holds(self, as_of: date, position: int) -> Balances:
        """The definition: what the fold of every deal is worth to whom, by account."""
        found = Balances()
        for deal_id, events in self.log.items():
            deal = state_at(events, as_of, position)
            for (manager, account), held in holdings(deal).items():
                assert deal is not None
                if held.amount:
                    name = _name(manager, deal_id, account)
                    found[name, deal.currency] = held.amount
        return found

    def moved(self, first: date, last: date, position: int) -> Balances:
        """What the books must have given for it, by cause and account."""
        return {
            (f"Equity:Books:{cause}:{account.capitalize()}", currency): -amount
            for currency in ("RUB", "USD")
            for (cause, account), amount in movement_between(
                self.log, first, last, position, currency, None
            ).lines.items()
        }


def recorded(service: Service, plot: Plot) -> Chapter:
    number = next(_chapters)
    people = cast_of(number)
    _record(service, [Order(RegisterManager(who, who), "admin") for who in people])
    with service.asking() as cursor:
        first = len(read_log(cursor))
    _record(service, [Order(command_for(fact), "desk") for fact in play(plot, number).log])
    log = dict[DealId, list[Recorded[DealEvent]]]()
    with service.asking() as cursor:
        events = read_log(cursor, first)
    for event in filter(is_about_a_deal, events):
        log.setdefault(DealId(event.originator_id), []).append(event)
    return Chapter(people, first, first + len(events), log)


def written(service: Service, chapter: Chapter, format_: Format, as_of: date, position: int) -> str:
    with service.asking() as cursor:
        point = point_at(cursor, service.clock, as_of, Knowledge(position=position))
    return "".join(Journal(service.reading(point), point, chapter.people).text(format_, ZONE))


def _name(manager: str, deal_id: UUID | str, account: str) -> str:
    return f"Portfolio:M-{manager}:D-{deal_id}:{account.capitalize()}"


def by_hledger(program: str, text: str, *asked: str) -> Balances:
    command = [program, "-f", "-", "balance", "--flat", "-N", "-O", "csv", *asked]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {
        (line["account"], currency): value
        for line in csv.DictReader(StringIO(done.stdout))
        for amount in line["balance"].split(", ")
        for value, currency in [_value(amount)]
    }


def _value(amount: str) -> tuple[int, str]:
    """Of `-12.345678 RUB`."""
    figure, currency = amount.split(" ")
    return int(Decimal(figure).scaleb(6)), currency


def by_beancount(text: str, before: date) -> Balances:
    entries, errors, _ = loader.load_string(text)
    assert not errors
    root: Any = realization.realize(summarize.truncate(entries, before))  # type: ignore[no-untyped-call]
    return {
        (account.account, position.units.currency): int(position.units.number.scaleb(6))
        for account in realization.iter_children(root)  # type: ignore[no-untyped-call]
        for position in account.balance
    }


def portfolios(balances: Balances) -> Balances:
    return {key: value for key, value in balances.items() if key[0].startswith("Portfolio")}


def books(balances: Balances) -> Balances:
    return {key: value for key, value in balances.items() if key[0].startswith("Equity")}


@given(plots(16, 30), points(2))
@examples(8)
def test_hledger_comes_to_the_same_balances_on_any_date_at_any_position(
    service: Service, hledger: str, plot: Plot, asked: list[Point]
) -> None:
    chapter = recorded(service, plot)
    for point in asked:
        as_of, position = point.as_of, point.position(chapter.first, chapter.last)
        expected, tomorrow = chapter.holds(as_of, position), str(as_of + timedelta(days=1))
        whole = written(service, chapter, Format.HLEDGER, DAYS[-1], position)
        assert portfolios(by_hledger(hledger, whole, "-e", tomorrow)) == expected
        part = written(service, chapter, Format.HLEDGER, as_of, position)
        assert portfolios(by_hledger(hledger, part)) == expected
    first, last = sorted(point.as_of for point in asked)
    period = ("-b", str(first + timedelta(days=1)), "-e", str(last + timedelta(days=1)))
    text = written(service, chapter, Format.HLEDGER, DAYS[-1], chapter.last)
    moved = chapter.moved(first, last, chapter.last) if first < last else {}
    assert books(by_hledger(hledger, text, *period)) == moved


@given(plots(16, 30), points(2))
@examples(8)
def test_beancount_comes_to_the_same_balances_on_any_date_at_any_position(
    service: Service, plot: Plot, asked: list[Point]
) -> None:
    chapter = recorded(service, plot)
    for point in asked:
        as_of, position = point.as_of, point.position(chapter.first, chapter.last)
        text = written(service, chapter, Format.BEANCOUNT, DAYS[-1], position)
        found = by_beancount(text, as_of + timedelta(days=1))
        assert portfolios(found) == chapter.holds(as_of, position)


@given(plots(16, 30))
@examples(4)
def test_each_posting_of_the_ledger_is_one_transaction_with_both_times(
    service: Service, plot: Plot
) -> None:
    """Read in small pieces, as a long ledger is: none is left out, and none comes twice."""
    chapter = recorded(service, plot)
    with service.asking() as cursor:
        rows = cursor.execute(_POSTINGS, [list(chapter.people)]).fetchall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "AT_ONCE", 3)
        text = written(service, chapter, Format.BEANCOUNT, DAYS[-1], chapter.last)
    entries, errors, _ = loader.load_string(text)
    assert not errors
    found = [
        (
            int(one.meta["position"]),
            int(one.meta["due_position"]),
            one.narration,
            one.date,
            one.postings[0].account,
            str(one.postings[0].units),
            one.meta["recorded_on"],
        )
        for one in entries
        if isinstance(one, Transaction)
    ]
    assert sorted(found) == sorted(
        (
            position,
            due,
            cause,
            on,
            _name(who, deal, account),
            f"{amount_text(amount)} {currency}",
            at.astimezone(ZONE).date(),
        )
        for position, due, cause, on, who, deal, account, amount, currency, at in rows
    )
    assert text.endswith(f"; The end, after {len(rows)} postings.\n")


_POSTINGS = """
SELECT position, due_position, due_cause, effective_on, manager_id, deal_id, account, amount,
       postings.currency, recorded_at
FROM ledger.postings JOIN ledger.managers USING (manager) JOIN ledger.deals USING (deal)
JOIN books.events ON notification_id = position
WHERE manager_id = ANY (%s)
"""


# ---------------------------------------------------------------------------- names of accounts

ODD = (
    "a.b",
    "a-2Eb",
    "a_b",
    "A.b",
    "a-b",
    "a--b",
    "7",
    "0f8c",
    "анна",
    "анна соколова",
    "я:я",
    "x",
)


@given(st.lists(st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=8)), max_size=8))
@examples(25)
def test_every_id_has_a_name_of_its_own_that_both_programs_take(ids: list[str]) -> None:
    names = {component("M", one) for one in ids}
    assert len(names) == len(set(ids))
    for name in names:
        assert re.fullmatch(r"MX?-[A-Za-z0-9-]+", name)


def test_an_id_can_be_read_from_its_name() -> None:
    assert len({component("M", one) for one in ODD}) == len(ODD)
    assert component("M", "anna-sokolova") == "M-anna-sokolova"
    assert component("M", "anna.s-7") == "MX-anna-2Es-2D7"


# ---------------------------------------------------------------------------- as it is asked for


@contextmanager
def told(database: str) -> Iterator[tuple[Company, str]]:
    """A report of June, and an action of June that was recorded on 11 July; a deal in dollars."""
    with company(database, datetime(2026, 6, 20, 9, tzinfo=UTC)) as here:
        anna = here.manager(manager_id="Anna.s_7")
        here.kind("5.00", code="proposal")
        deal = here.deal(anna, "400000000.01")
        here.deal(anna, "7.77", currency="USD")
        here.act(deal, anna, "proposal", "2026-06-19")
        here.clock.now = datetime(2026, 7, 11, 9, tzinfo=UTC)
        here.act(deal, anna, "proposal", "2026-06-12")
        yield here, deal


def test_a_date_as_it_was_known_then_and_as_it_is_known_now(database: str, hledger: str) -> None:
    with told(database) as (here, deal):
        answer = here.director.get("/v1/audit/journal", format="hledger", as_of="2026-06-30")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        name = re.fullmatch(
            r'attachment; filename="(dealfolio-2026-06-30-\d+\.hledger)"',
            answer.headers["content-disposition"],
        )
        assert name is not None
        account = f"Portfolio:MX-Anna-2Es-5F7:D-{deal}:Active"
        now = by_hledger(hledger, answer.text)
        assert portfolios(now) == {(account, "RUB"): 40_000_000_001_000}
        then = subprocess.run(
            [hledger, "-f", "-", "print", "date2:..2026-07-02"],
            input=answer.text, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        known = here.director.get(
            "/v1/audit/journal", format="hledger", as_of="2026-06-30", known_at="2026-07-01"
        )
        for text in (then, known.text):
            assert portfolios(by_hledger(hledger, text)) == {(account, "RUB"): 20_000_000_000_500}


def test_a_journal_of_one_manager_holds_nobody_else(database: str) -> None:
    with told(database) as (here, _):
        boris = here.manager()
        here.act(here.deal(boris), boris, "proposal", "2026-06-19")
        both = here.director.get("/v1/audit/journal", format="beancount").text
        one = here.director.get("/v1/audit/journal", format="beancount", manager_id=boris).text
        assert f"M-{boris}:" in both
        assert "MX-Anna-2Es-5F7:" in both
        assert f"M-{boris}:" in one
        assert "Anna" not in one
        nobody = here.director.get("/v1/audit/journal", format="beancount", manager_id="nobody")
        refused(nobody, 404, "not-found")


def test_the_command_writes_what_the_service_answers(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with told(database) as (here, _):
        asked = {"format": "hledger", "as_of": "2026-06-30", "known_at": "2026-07-01"}
        answered = here.director.get("/v1/audit/journal", **asked).text
        file = tmp_path / "books.journal"
        words = ["--format", "hledger", "--as-of", "2026-06-30", "--known-at", "2026-07-01"]
        done = run("audit", "journal", *words, "-o", file, DATABASE_URL=database)
        assert done.returncode == 0, done.stderr
        assert file.read_text() == answered
        june, july = date(2026, 6, 30), Knowledge(date(2026, 7, 1))
        write_journal(here.service, Format.HLEDGER, None, june, july, None, lambda _done, _of: None)
        assert capsys.readouterr().out == answered
        assert [*tmp_path.iterdir()] == [file], "nothing half written is left"
        unknown = run(
            "audit", "journal", *words, "--manager", "x", "-o", file, DATABASE_URL=database
        )
        assert unknown.returncode == 1
        assert "Traceback" not in unknown.stderr
        assert file.read_text() == answered
