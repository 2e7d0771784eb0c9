"""Importing: the same commands as the API's, all or none, and never twice.

Anna's deal D-1 is open, D-2 is won by Boris, D-3 is lost by Anna. It is 1 July 2026 in Moscow.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from api.imports import csv_records
from api.imports.importing import ImportReport, RowError, import_files
from api.imports.managers import slug
from api.imports.rows import ActionRow, DealRow, Origin, digest
from api.problems import explain
from api.service import Service
from api.settings import Settings
from application.orders import Order, Unavailable
from domain.deal import Status
from domain.directory_commands import ClosePeriod, DefineActionType, RegisterManager
from domain.errors import (
    ActionLimitReached,
    ActionTypeNotInForce,
    BeforeOpening,
    EvidenceRequired,
    InTheFuture,
    NotAllowedNow,
    Obstacle,
    PeriodClosed,
    Refusal,
    UnknownActionType,
)
from domain.events import Titles
from domain.periods import Month
from domain.values import ActionTypeCode, DealId, ManagerId, stream_of
from projections.deals import DealLine, deal_at, deals_from_ledger
from projections.directory import names
from projections.log import published_after
from projections.point import point_at
from projections.portfolio import portfolios_from_ledger

TODAY = date(2026, 7, 1)
ANNA, BORIS = ManagerId("anna-sokolova"), ManagerId("boris")

HEADER = (
    "deal,title,client,potential_check,currency,manager,opened_on,expected_close_on,"
    "outcome,closed_on,contract_amount,loss_reason"
)
DEALS = f"""\
{HEADER}
D-1,Пресс №1,"ООО ""Ромашка"", Тверь",400000000.00,RUB,Анна Соколова,2026-01-12,2026-12-01,,,,
D-2,Линия,Завод,1234567.89,,boris,2026-02-01,,won,2026-06-30,1200000.5,
D-3,Кран,Верфь,70,EUR,Анна Соколова,2026-03-01,,lost,2026-04-15,,"дорого, ушли"
"""
DEALS_IN_RUSSIAN = """\
Сделка;Название;Клиент;Потенциальный чек;Валюта;Менеджер;Дата открытия;Ожидаемая дата закрытия;\
ИСХОД;Дата закрытия;Сумма договора;Причина проигрыша
D-1;Пресс №1;ООО "Ромашка", Тверь;400 000 000,00;RUB;Анна  соколова;12.01.2026;01.12.2026;;;;
D-2;Линия;Завод;1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567,89;;boris;01.02.2026;;Выиграна;\
30.06.2026;1200000,50;
;;;;;;;;;;;
D-3;Кран;Верфь;70,0;eur;anna-sokolova;01.03.2026;;проиграна;15.04.2026;;дорого, ушли
"""
ACTIONS = """\
action,deal,action_type,manager,effective_on,evidence,comment
A-1,D-2,proposal,boris,2026-02-20,протокол,
A-2,D-1,data,Анна Соколова,2026-02-10,,с Борисом
"""
ACTIONS_IN_RUSSIAN = """\
Действие;Сделка;Вид действия;Менеджер;Дата;Подтверждение;Комментарий
A-1;D-2;proposal;boris;20.02.2026;протокол;
A-2;D-1;data;Анна Соколова;10.02.2026;;с Борисом
"""


class Books:
    """A company with two action types, files to import into it, and what is in its log."""

    def __init__(self, conninfo: str, directory: Path) -> None:
        now = datetime(2026, 7, 1, 9, tzinfo=UTC)
        self.service = Service(conninfo, Settings(language="en"), now=lambda: now)
        self._directory = directory

    def do(self, command: Any) -> None:
        self.service.dealfolio.transactor.submit(Order(command, "admin")).result(10)

    def file(self, name: str, content: str | bytes) -> Path:
        path = self._directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def imported(self, *contents: str | bytes, **options: Any) -> ImportReport:
        """The contents as deals.csv, actions.csv, third.csv; in the report by these names."""
        files = [
            self.file(name, content)
            for name, content in zip(
                ("deals.csv", "actions.csv", "third.csv"), contents, strict=False
            )
        ]
        return self.report(*files, **options)

    def report(self, *files: Path, **options: Any) -> ImportReport:
        found = import_files(self.service, files, **options)
        prefix = f"{self._directory}/"
        return replace(
            found,
            files=tuple(name.removeprefix(prefix) for name in found.files),
            errors=tuple(
                replace(
                    error,
                    file=error.file.removeprefix(prefix),
                    reason=error.reason.replace(prefix, ""),
                )
                for error in found.errors
            ),
            ignored_columns=tuple(
                (file.removeprefix(prefix), column) for file, column in found.ignored_columns
            ),
        )

    @property
    def position(self) -> int:
        with self.service.asking() as cursor:
            return point_at(cursor, self.service.clock, None).position

    @property
    def facts(self) -> list[tuple[str, str | None, str]]:
        """Type, date and actor of everything in the log, in order."""
        with self.service.asking() as cursor:
            events = [json.loads(event.body) for event in published_after(cursor, 0, 1000)]
        return [(event["type"], event.get("effective_on"), event["actor"]) for event in events]

    @property
    def deals(self) -> list[DealLine]:
        with self.service.asking() as cursor:
            return deals_from_ledger(cursor, TODAY, self.position, limit=100_000)

    @property
    def deals_as_rows(self) -> list[tuple[object, ...]]:
        return [
            (
                line.deal_id,
                line.title,
                line.client,
                line.owner,
                line.opened_on,
                line.status,
                line.potential_check,
            )
            for line in self.deals
        ]

    @property
    def names(self) -> dict[str, str]:
        with self.service.asking() as cursor:
            return {str(manager): name for manager, name in names(cursor).items()}

    def close(self) -> None:
        self.service.close()


def books_of(conninfo: str, directory: Path) -> Books:
    books = Books(conninfo, directory)
    since = date(2026, 1, 1)
    data, proposal = ActionTypeCode("data"), ActionTypeCode("proposal")
    books.do(DefineActionType(data, Titles(ru="Данные", en="Data"), 200, since))
    titles = Titles(ru="ТКП", en="Proposal")
    books.do(DefineActionType(proposal, titles, 500, since, 1, evidence_required=True))
    return books


@pytest.fixture
def books(database: str, tmp_path: Path) -> Iterator[Books]:
    books = books_of(database, tmp_path)
    yield books
    books.close()


@pytest.fixture(scope="module")
def untouched(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Books into which nothing is ever imported."""
    books = books_of(shared_database, tmp_path_factory.mktemp("import"))
    position = books.position
    yield books
    assert books.position == position
    books.close()


def deal(external_id: str) -> DealId:
    return DealId(stream_of("imported-deal", external_id))


def detail(refusal: Refusal, language: Any = "en") -> str:
    return explain(refusal, language)[1]


def test_deals_and_actions_become_what_the_api_would_have_recorded(books: Books):
    told: list[tuple[int, int]] = []
    report = books.imported(DEALS, ACTIONS, progress=lambda *step: told.append(step))
    assert report == ImportReport(
        ("deals.csv", "actions.csv"), deals=3, actions=2, managers=2, stored=True
    )
    assert told == [(9, 9)]
    assert books.facts[2:] == [
        ("ManagerRegistered", None, "import"),
        ("ManagerRegistered", None, "import"),
        ("DealOpened", "2026-01-12", "import"),
        ("DealOpened", "2026-02-01", "import"),
        ("DealOpened", "2026-03-01", "import"),
        ("ActionPerformed", "2026-02-10", "import"),
        ("ActionPerformed", "2026-02-20", "import"),
        ("DealLost", "2026-04-15", "import"),
        ("DealWon", "2026-06-30", "import"),
    ]
    assert books.names == {ANNA: "Анна Соколова", BORIS: "boris"}
    assert books.deals == [
        DealLine(
            5, deal("D-1"), "Пресс №1", 'ООО "Ромашка", Тверь', date(2026, 1, 12), "RUB",
            Status.OPEN, ANNA, 40_000_000_000, 200, date(2026, 12, 1),
        ),
        DealLine(
            6, deal("D-2"), "Линия", "Завод", date(2026, 2, 1), "RUB", Status.WON,
            BORIS, 123_456_789, 500, None,
        ),
        DealLine(
            7, deal("D-3"), "Кран", "Верфь", date(2026, 3, 1), "EUR", Status.LOST,
            ANNA, 7_000, 0, None,
        ),
    ]  # fmt: skip
    with books.service.asking() as cursor:
        found = deal_at(cursor, deal("D-1"), TODAY, books.position)
        roubles = portfolios_from_ledger(cursor, TODAY, books.position)["RUB"]
    assert found is not None
    [action] = found.deal.actions.values()
    assert action.action_id == stream_of("imported-action", "A-2")
    assert (action.comment, action.evidence) == ("с Борисом", None)
    assert roubles[ANNA].balance.active == 200 * 40_000_000_000
    assert roubles[BORIS].balance.won == 10_000 * 120_000_050


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encoding_and_line_ends_make_no_difference(untouched: Books, encoding: str, line_end: str):
    for deals, actions in [(DEALS, ACTIONS), (DEALS_IN_RUSSIAN, ACTIONS_IN_RUSSIAN)]:
        files = [text.replace("\n", line_end).encode(encoding) for text in (deals, actions)]
        report = untouched.imported(*files, dry_run=True)
        assert (report.errors, report.deals, report.actions) == ((), 3, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_however_it_is_written_down_the_same_row_is_known_again(books: Books, encoding: str):
    books.imported(DEALS, ACTIONS)
    before = books.position
    files = [text.encode(encoding) for text in (DEALS_IN_RUSSIAN, ACTIONS_IN_RUSSIAN)]
    report = books.imported(*files)
    assert report == ImportReport(("deals.csv", "actions.csv"), repeated=5, stored=True)
    assert books.position == before


def test_line_ends_inside_a_comment_make_no_other_row(books: Books):
    actions = ACTIONS.replace("с Борисом", '"с Борисом\nи Верой"')
    books.imported(DEALS, actions)
    for text in (actions, actions.replace("\n", "\r\n")):
        assert books.imported(DEALS, text) == ImportReport(
            ("deals.csv", "actions.csv"), repeated=5, stored=True
        )


def test_the_same_files_again_change_nothing(books: Books):
    books.imported(DEALS, ACTIONS)
    before = books.position, books.deals, books.names
    report = books.imported(DEALS, ACTIONS)
    assert report == ImportReport(("deals.csv", "actions.csv"), repeated=5, stored=True)
    assert (books.position, books.deals, books.names) == before


def test_a_row_that_stands_twice_in_the_files_is_one(books: Books):
    report = books.imported(DEALS, DEALS)
    assert report == ImportReport(
        ("deals.csv", "actions.csv"), deals=3, managers=2, repeated=3, stored=True
    )


def test_a_dry_run_says_what_would_be_and_stores_nothing(books: Books):
    before = books.position
    report = books.imported(DEALS, ACTIONS, dry_run=True)
    assert report == ImportReport(
        ("deals.csv", "actions.csv"), deals=3, actions=2, managers=2, stored=False, dry_run=True
    )
    assert (books.position, books.names) == (before, {})
    assert books.imported(DEALS, ACTIONS).deals == 3


def test_one_bad_row_keeps_everything_out(books: Books):
    before = books.position
    report = books.imported(DEALS, ACTIONS.replace("2026-02-10", "2026-02-30"))
    assert report == ImportReport(
        ("deals.csv", "actions.csv"),
        errors=(
            RowError(
                "actions.csv",
                3,
                "effective_on",
                "“2026-02-30” is no date such as 2026-06-30, 30.06.2026",
            ),
        ),
    )
    assert (books.position, books.names) == (before, {})


def test_every_error_of_all_files_is_told_at_once_and_none_that_only_follows(books: Books):
    deals = DEALS.replace("400000000.00,RUB", "4e8,РУБ").replace("2026-06-30,", "2026-07-02,")
    actions = ACTIONS.replace("proposal", "dinner")
    report = books.imported(deals, actions)
    assert report.errors == (
        RowError("deals.csv", 2, "potential_check", "“4e8” is no amount such as 1234567.89"),
        RowError("deals.csv", 2, "currency", "“РУБ” is no ISO 4217 currency such as RUB"),
        RowError("deals.csv", 3, "closed_on", detail(InTheFuture(date(2026, 7, 2), TODAY))),
        RowError("actions.csv", 2, "action_type", detail(UnknownActionType("dinner"))),
    )


def test_a_row_that_cannot_be_read_is_not_blamed_on_its_actions(books: Books):
    report = books.imported(DEALS.replace("D-1,", "D-1,,"), ACTIONS)
    assert report.errors == (RowError("deals.csv", 2, None, "13 fields where the header has 12"),)


def test_errors_speak_russian_and_call_columns_as_the_file_does(books: Books):
    deals = DEALS_IN_RUSSIAN.replace("12.01.2026", "12.13.2026")
    actions = ACTIONS_IN_RUSSIAN.replace("proposal", "ужин")
    report = books.imported(deals, actions, language="ru")
    assert report.errors == (
        RowError(
            "deals.csv",
            2,
            "Дата открытия",
            "«12.13.2026» — не дата вида 2026-06-30, 30.06.2026",
        ),
        RowError("actions.csv", 2, "Вид действия", detail(UnknownActionType("ужин"), "ru")),
    )


def test_a_changed_row_is_reported_and_overwrites_nothing(books: Books):
    books.imported(DEALS, ACTIONS)
    before = books.position, books.deals
    deals = DEALS.replace("Кран", "Портальный кран").replace("D-1,", "D-4,")
    actions = ACTIONS.replace("с Борисом", "без Бориса")
    report = books.imported(deals, actions)
    assert report.errors == (
        RowError(
            "deals.csv",
            4,
            "deal",
            "this deal was imported before with other values; nothing is overwritten",
        ),
        RowError(
            "actions.csv",
            3,
            "action",
            "this action was imported before with other values; nothing is overwritten",
        ),
    )
    assert (report.deals, report.stored) == (0, False)
    assert (books.position, books.deals) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("12-01,,,,", "12-01,lost,2026-06-01,,дорого"),
        ("won,2026-06-30,1200000.5,", ",,,"),
        ("won,2026-06-30,1200000.5,", "won,2026-06-30,1200000.51,"),
    ],
)
def test_an_outcome_that_appears_vanishes_or_differs_is_a_changed_row(
    books: Books, old: str, new: str
):
    books.imported(DEALS)
    before = books.position
    [error] = books.imported(DEALS.replace(old, new)).errors
    assert error.reason.startswith("this deal was imported before with other values")
    assert books.position == before


def test_one_external_id_for_two_rows_is_refused(books: Books):
    report = books.imported(DEALS.replace("D-3", "D-1"), ACTIONS.replace("A-2", "A-1"))
    assert report.errors == (
        RowError(
            "deals.csv",
            4,
            "deal",
            "this deal stands already in deals.csv, line 2, with other values",
        ),
        RowError(
            "actions.csv",
            3,
            "action",
            "this action stands already in actions.csv, line 2, with other values",
        ),
    )


def test_a_deal_gets_more_actions_later_also_before_its_end(books: Books):
    books.imported(DEALS, ACTIONS)
    later = ACTIONS + "A-3,D-1,proposal,boris,2026-05-05,акт,\nA-4,D-2,data,boris,2026-06-29,,\n"
    assert books.imported(later) == ImportReport(("deals.csv",), actions=2, repeated=2, stored=True)
    assert [line.progress for line in books.deals] == [700, 700, 0]


def test_an_action_after_the_end_of_its_deal_is_refused_at_its_row(books: Books):
    books.imported(DEALS)
    late = ACTIONS + "A-3,D-2,data,boris,2026-07-01,,\n"
    assert books.imported(late).errors == (
        RowError("deals.csv", 4, "effective_on", detail(NotAllowedNow(Obstacle.NOT_OPEN))),
    )


def test_a_closed_month_takes_nothing_in(books: Books):
    books.do(ClosePeriod(Month(2026, 1)))
    closed = date(2026, 1, 31)
    assert books.imported(DEALS, ACTIONS).errors == (
        RowError("deals.csv", 2, "opened_on", detail(PeriodClosed(date(2026, 1, 12), closed))),
    )


def test_a_manager_is_known_by_id_or_by_name_and_else_registered(books: Books):
    books.do(RegisterManager(ManagerId("a-17"), "Анна Соколова"))
    assert books.imported(DEALS).managers == 1
    assert [line.owner for line in books.deals] == ["a-17", "boris", "a-17"]
    assert books.names == {"a-17": "Анна Соколова", "boris": "boris"}


def test_who_has_only_an_id_gets_the_name_that_another_row_gives(books: Books):
    report = books.imported(DEALS.replace("boris", "anna-sokolova"))
    assert (report.managers, books.names) == (1, {ANNA: "Анна Соколова"})


def test_a_name_that_is_not_clear_asks_for_an_id(books: Books):
    books.do(RegisterManager(ManagerId("a-17"), "Анна Соколова"))
    books.do(RegisterManager(ManagerId("a-18"), "анна соколова"))
    books.do(RegisterManager(ManagerId("petr-ilin"), "Пётр Ильин"))
    deals = DEALS.replace("boris", "Петр Ильин")
    several = "several managers are called “Анна Соколова”: write the id (a-17, a-18)"
    taken = "“Петр Ильин” would get the id petr-ilin, which is Пётр Ильин's: write an id"
    assert books.imported(deals, ACTIONS).errors == (
        RowError("deals.csv", 2, "manager", several),
        RowError("deals.csv", 3, "manager", taken),
        RowError("deals.csv", 4, "manager", several),
        RowError("actions.csv", 3, "manager", several),
    )
    [error] = books.imported(DEALS.replace("Анна Соколова", "a-17").replace("boris", "王")).errors
    assert error == RowError(
        "deals.csv",
        3,
        "manager",
        "no id can be made from “王”: write an id of a-z, 0-9 and hyphens",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Пётр Щукин-Ярцев", "petr-shchukin-yartsev"),
        ("ОБЪЕДКОВ Юрий", "obedkov-yuriy"),
        ("Юрий\u0306", "yuriy"),
        ("José  O'Neil", "jose-oneil"),
        ("а" * 70, "a" * 64),
        ("王", ""),
    ],
)
def test_an_id_is_made_from_a_name(name: str, expected: str):
    assert slug(name) == expected


def test_what_a_row_says_has_the_digest_that_its_receipt_has_had_from_the_first():
    row = ActionRow(
        Origin("actions.csv", 2, {}), "a-1", "d-1", "step", "Анна", date(2026, 2, 3), None, "да"
    )
    assert digest(row, "anna").hex() == (
        "1f97ecd4333a09ad1cf73249d98454343531b59d9d8585d86d9bac39e455a233"
    )


def test_a_digest_is_that_of_the_row_as_json_whatever_stands_in_it():
    said: dict[str, Any] = {
        "deal": "Д-1",
        "title": 'Press "A"\n\\ \U0001f600',
        "client": "Ромашка",
        "potential_check": 40_050,
        "currency": "RUB",
        "opened_on": date(2026, 1, 12),
        "outcome": "won",
        "closed_on": date(2026, 6, 30),
        "contract_amount": 39_000,
    }
    row = DealRow(
        Origin("deals.csv", 2, {}), **said, manager="Анна", expected_close_on=None, loss_reason=None
    )
    written = json.dumps(said | {"manager": "anna"}, default=str, sort_keys=True)
    assert digest(row, "anna") == sha256(written.encode()).digest()


def test_when_telling_progress_fails_nothing_is_stored(books: Books):
    before = books.position

    def fail(_done: int, _total: int) -> None:
        raise OSError("the terminal is gone")

    with pytest.raises(Unavailable, match="the terminal is gone"):
        books.imported(DEALS, progress=fail)
    assert books.position == before


ROW = "D-1,Press,Plant,400.50,RUB,anna,2026-01-12,2026-12-01,won,2026-06-30,390.00,"
CONTROL = f"{HEADER}\n{ROW}\n"
DATE = "is no date such as 2026-06-30, 30.06.2026"


def test_the_control_of_the_cases_below_is_accepted(untouched: Books):
    assert untouched.imported(CONTROL, dry_run=True) == ImportReport(
        ("deals.csv",), deals=1, managers=1, dry_run=True
    )


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ("D-1", "", "deal", "is empty, and must not be"),
        ("D-1", "D" * 101, "deal", "has 101 characters; 100 are allowed"),
        ("Press", " ", "title", "is empty, and must not be"),
        ("Press", "P" * 301, "title", "has 301 characters; 300 are allowed"),
        ("Press", "P\x07", "title", "contains a control character, or one that cannot be seen"),
        ("Press", '"P\ns"', "title", "contains a control character, or one that cannot be seen"),
        ("Press", "P\u202e", "title", "contains a control character, or one that cannot be seen"),
        ("Plant", "P" * 301, "client", "has 301 characters; 300 are allowed"),
        ("400.50", "", "potential_check", "is empty, and must not be"),
        ("400.50", "4e8", "potential_check", "“4e8” is no amount such as 1234567.89"),
        ("400.50", "400.501", "potential_check", "“400.501” is no amount such as 1234567.89"),
        ("400.50", '"1,234"', "potential_check", "“1,234” is no amount such as 1 234 567,89"),
        ("400.50", '"1.234,5"', "potential_check", "“1.234,5” is no amount such as 1 234 567,89"),
        ("400.50", "12 34", "potential_check", "“12 34” is no amount such as 1234567.89"),
        ("400.50", "٤٠٠", "potential_check", "“٤٠٠” is no amount such as 1234567.89"),
        ("400.50", "0", "potential_check", "“0” is not above 0, or is above 1000000000000.00"),
        ("400.50", "-1", "potential_check", "“-1” is not above 0, or is above 1000000000000.00"),
        (
            "400.50",
            "1000000000000.01",
            "potential_check",
            "“1000000000000.01” is not above 0, or is above 1000000000000.00",
        ),
        ("RUB", "RUR", "currency", "“RUR” is no ISO 4217 currency such as RUB"),
        ("anna", "", "manager", "is empty, and must not be"),
        ("2026-01-12", "", "opened_on", "is empty, and must not be"),
        ("2026-01-12", "2026-02-29", "opened_on", f"“2026-02-29” {DATE}"),
        ("2026-01-12", "1/12/2026", "opened_on", f"“1/12/2026” {DATE}"),
        ("2026-01-12", "12.13.2025", "opened_on", f"“12.13.2025” {DATE}"),
        ("2026-01-12", "20260112", "opened_on", f"“20260112” {DATE}"),
        ("2026-01-12", "1999-12-31", "opened_on",
         "1999-12-31 lies outside 2000-01-01 to 2100-12-31"),
        ("2026-12-01", "soon", "expected_close_on", f"“soon” {DATE}"),
        ("won", "maybe", "outcome", "“maybe” is neither won nor lost"),
        ("2026-06-30", "", "closed_on", "is empty, and a deal that is won needs it"),
        ("390.00", "", "contract_amount", "is empty, and a deal that is won needs it"),
        ("390.00,", "390.00,why", "loss_reason", "is filled, but the outcome is not lost"),
        ("won,2026-06-30,390.00,", "lost,2026-06-30,,", "loss_reason",
         "is empty, and a deal that is lost needs it"),
        ("won,2026-06-30,390.00,", "lost,2026-06-30,1,why", "contract_amount",
         "is filled, but the outcome is not won"),
        ("won,2026-06-30,390.00,", ",2026-06-30,,", "closed_on",
         "is filled, but the deal has no outcome"),
        ("won,2026-06-30,390.00,", f"lost,2026-06-30,,{'w' * 2001}", "loss_reason",
         "has 2001 characters; 2000 are allowed"),
        ("2026-06-30", "2026-01-11", "closed_on",
         detail(BeforeOpening(date(2026, 1, 11), date(2026, 1, 12)))),
        ("2026-01-12", "2026-07-02", "opened_on",
         detail(InTheFuture(date(2026, 7, 2), TODAY))),
        (ROW, ROW + ",", None, "13 fields where the header has 12"),
        (ROW, ROW[:-1], None, "11 fields where the header has 12"),
    ],
)  # fmt: skip
def test_a_cell_that_is_wrong_is_named(
    untouched: Books, old: str, new: str, column: str | None, reason: str
):
    before, _, after = CONTROL.rpartition(old)
    report = untouched.imported(before + new + after)
    assert report == ImportReport(
        ("deals.csv",), errors=(RowError("deals.csv", 2, column, reason),)
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        (CONTROL, "", 0, "the file is empty"),
        (CONTROL, "\ufeff\r\n", 0, "the file is empty"),
        (f"{ROW}\n", "", 1, "there is a header, and no row under it"),
        (f"{ROW}\n", ",,,,,,,,,,,\n", 1, "there is a header, and no row under it"),
        ("Press", "Pr\0ss", 2, "a NUL byte: this is no text (UTF-16? save it as CSV in UTF-8)"),
        ("Press", '"Press', 2, "a quotation mark is opened in this row and never closed"),
        (
            "Press",
            '"Pr"ess',
            2,
            "after a closing quotation mark only a separator or the row's end may stand",
        ),
        ("Press", "P" * 140_000, 2, "a field is longer than 131072 characters"),
        ("title,", "titel,", 1, "required columns are missing: title"),
        ("deal,title,client", "a,b,c", 1, "required columns are missing: deal, title, client"),
        ("currency", "Клиент", 1, "two columns say the same: client"),
    ],
)
def test_a_file_that_is_broken_says_where(
    untouched: Books, old: str, new: str, line: int, reason: str
):
    report = untouched.imported(CONTROL.replace(old, new, 1))
    assert report == ImportReport(
        ("deals.csv",), errors=(RowError("deals.csv", line, None, reason),)
    )


@pytest.mark.parametrize(
    ("encoding", "bad", "reason"),
    [
        ("cp1251", b"\x98", "a byte that is neither UTF-8 nor Windows-1251"),
        ("utf-8", b"\xd0", "a byte that is not UTF-8, in a file that otherwise is"),
        ("utf-8-sig", b"\xd0", "a byte that is not UTF-8, in a file that otherwise is"),
    ],
)
def test_a_byte_of_no_encoding_is_never_guessed(
    untouched: Books, encoding: str, bad: bytes, reason: str
):
    control = CONTROL.replace("Press", "Пресс").encode(encoding)
    assert untouched.imported(control, dry_run=True).deals == 1
    report = untouched.imported(control.replace(b"Plant", b"Pl" + bad + b"nt"))
    assert report.errors == (RowError("deals.csv", 2, None, reason),)


def test_what_is_too_big_is_refused_before_it_is_read(
    untouched: Books, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(csv_records, "MOST_ROWS", 3)
    more = DEALS + DEALS.splitlines()[3].replace("D-3", "D-4") + "\n"
    assert untouched.imported(DEALS, dry_run=True).deals == 3
    assert untouched.imported(more).errors == (
        RowError("deals.csv", 5, None, "the file has more than 3 rows"),
    )
    monkeypatch.setattr(csv_records, "MOST_BYTES", len(DEALS.encode()))
    assert untouched.imported(DEALS, dry_run=True).deals == 3
    assert untouched.imported(DEALS + "\n").errors == (
        RowError("deals.csv", 0, None, "the file is larger than 0 MB"),
    )


def test_a_file_that_cannot_be_read_spoils_no_other(untouched: Books, tmp_path: Path):
    bad = untouched.file("bad.csv", CONTROL.replace("won", "win"))
    gone = tmp_path / "gone.csv"
    assert untouched.report(gone, tmp_path, bad).errors == (
        RowError(str(gone), 0, None, "the file cannot be read: No such file or directory"),
        RowError(str(tmp_path), 0, None, "the file cannot be read: Is a directory"),
        RowError("bad.csv", 2, "outcome", "“win” is neither won nor lost"),
    )


def test_lines_are_numbered_as_an_editor_does(untouched: Books):
    actions = (
        "action,deal,action_type,manager,effective_on,comment\r\n"
        'A-1,D-1,data,anna,2026-02-01,"two\r\nlines"\r\n'
        "\r\n"
        "A-2,D-1,data,anna,2026-02-32,\r\n"
    )
    assert untouched.imported(CONTROL, actions).errors == (
        RowError("actions.csv", 5, "effective_on", f"“2026-02-32” {DATE}"),
    )


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ("A-1", "", "action", "is empty, and must not be"),
        ("D-1", "D-9", "deal",
         "deal “D-9” is neither in these files nor was it imported before"),
        ("proposal", "dinner", "action_type", detail(UnknownActionType("dinner"))),
        ("2026-02-01", "2026-01-11", "effective_on",
         detail(BeforeOpening(date(2026, 1, 11), date(2026, 1, 12)))),
        ("2026-02-01", "2026-07-02", "effective_on",
         detail(InTheFuture(date(2026, 7, 2), TODAY))),
        ("minutes", "", "evidence", detail(EvidenceRequired("proposal"))),
        ("\n", "\nA-0,D-1,proposal,anna,2026-01-31,minutes,\n", "action_type",
         detail(ActionLimitReached("proposal", 1))),
    ],
)  # fmt: skip
def test_an_action_that_a_rule_refuses_is_named(
    untouched: Books, old: str, new: str, column: str, reason: str
):
    control = (
        "action,deal,action_type,manager,effective_on,evidence,comment\n"
        "A-1,D-1,proposal,anna,2026-02-01,minutes,\n"
    )
    assert untouched.imported(CONTROL, control, dry_run=True).actions == 1
    actions = control.replace(old, new, 1)
    line = len(actions.splitlines())
    assert untouched.imported(CONTROL, actions).errors == (
        RowError("actions.csv", line, column, reason),
    )


def test_an_action_before_its_type_is_in_force_is_refused(untouched: Books):
    deals = CONTROL.replace("2026-01-12", "2025-12-01")
    actions = ACTIONS.splitlines()[0] + "\nA-1,D-1,data,anna,2025-12-31,,\n"
    reason = detail(ActionTypeNotInForce("data", date(2025, 12, 31)))
    assert untouched.imported(deals, actions).errors == (
        RowError("actions.csv", 2, "action_type", reason),
    )


def test_columns_that_say_nothing_to_us_are_named(untouched: Books):
    deals = CONTROL.replace(HEADER, f"{HEADER},Phone,").replace(ROW, f"{ROW},123,")
    report = untouched.imported(deals, dry_run=True)
    assert report.ignored_columns == (("deals.csv", "Phone"), ("deals.csv", "#14"))
    assert report.deals == 1


MAPPING = """\
rows = "deals"
date_format = "%d/%m/%y"
decimal_mark = ","
[columns]
deal = "Nr"
title = "What"
potential_check = "Worth"
manager = "Who"
opened_on = "From"
outcome = "End"
closed_on = "Till"
contract_amount = "Worth"
[constants]
currency = "EUR"
loss_reason = "unknown"
[values.outcome]
yes = "won"
no = "lost"
[empty]
client = "(none)"
[empty.potential_check]
by = "What"
reason = "the list price"
values = { Press = "500,00" }
[only]
contract_amount = { outcome = "won" }
loss_reason = { outcome = "lost" }
[[skip]]
column = "Test"
values = ["x", "X"]
reason = { en = "test rows", ru = "пробные строки" }
"""
FOREIGN = """\
Nr;What;Worth;Who;From;End;Till;Test;Note
1;Press;;Anna;12/01/26;;;;-
2;Crane;70,5;Anna;13/01/26;yes;01/02/26;;-
3;Press;;Anna;13/01/26;no;02/02/26;;-
4;;;;;;;x;-
5;;;;;;;X;-
"""


def test_a_mapping_lets_a_foreign_file_in_beside_our_own(books: Books):
    mapping = books.file("crm.toml", MAPPING)
    actions = ACTIONS.splitlines()[0] + "\nA-1,1,data,anna,2026-02-01,,\n"
    report = books.imported(FOREIGN, actions, mapping=mapping, language="ru")
    assert report == ImportReport(
        ("deals.csv", "actions.csv"),
        deals=3,
        actions=1,
        managers=1,
        skipped=(("пробные строки", 2),),
        ignored_columns=(("deals.csv", "Note"),),
        stored=True,
    )
    assert [
        (line.title, line.client, line.status, line.potential_check, line.currency, line.progress)
        for line in books.deals
    ] == [
        ("Press", "(none)", Status.OPEN, 50_000, "EUR", 200),
        ("Crane", "(none)", Status.WON, 7_050, "EUR", 0),
        ("Press", "(none)", Status.LOST, 50_000, "EUR", 0),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "reason"),
    [
        ("12/01/26", "12.01.2026", 2, "From", "“12.01.2026” is no date such as 31/12/01"),
        ("70,5", "70.5", 3, "Worth", "“70.5” is no amount such as 1 234 567,89"),
        ("yes", "ja", 3, "End", "“ja” is neither won nor lost"),
        ("1;Press", "1;Pump", 2, "Worth", "is empty, and must not be"),
        ("Who", "Whom", 1, None, "required columns are missing: Who"),
        ("Note", "Who", 1, None, "two columns say the same: Who"),
    ],
)
def test_errors_in_a_foreign_file_use_its_own_words(
    untouched: Books, old: str, new: str, line: int, column: str | None, reason: str
):
    mapping = untouched.file("crm.toml", MAPPING)
    assert untouched.imported(FOREIGN, mapping=mapping, dry_run=True).deals == 3
    errors = untouched.imported(FOREIGN.replace(old, new), mapping=mapping).errors
    assert errors[0] == RowError("deals.csv", line, column, reason)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('rows = "deals"', "rows = deals", "the mapping is not valid TOML: "),
        ('"deals"', '"leads"', "rows: Input should be 'deals' or 'actions'"),
        ('"%d/%m/%y"', '"%m/%y"', "the mapping's date_format %m/%y does not tell a whole date"),
        ('decimal_mark = ","', 'decimal_mark = "x"', "decimal_mark: Input should be '.' or ','"),
        ('decimal_mark = ","', 'decimals = ","', "decimals: Extra inputs are not permitted"),
        ('title = "What"', 'name = "What"',
         "there are no such columns of deals to be filled: name"),
        ('deal = "Nr"\n', "", "the mapping fills none of the required columns deal"),
        ('{ outcome = "won" }', '{ won = "won" }',
         "there are no such columns of deals to be filled: won"),
        (', ru = "пробные строки"', "", "skip.0.reason.ru: Field required"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_is_refused_before_any_row(
    untouched: Books, old: str, new: str, reason: str
):
    mapping = untouched.file("crm.toml", MAPPING.replace(old, new))
    [error] = untouched.imported(FOREIGN, mapping=mapping).errors
    assert (error.file, error.line, error.column) == ("crm.toml", 0, None)
    assert error.reason.startswith(reason)


ROOT = Path(__file__).parents[1]
MAVEN = ROOT.parent / "shared/data/maven/sales_pipeline.csv"


@pytest.mark.skipif(not MAVEN.exists(), reason="../shared/data is not there")
def test_the_maven_pipeline_comes_in_whole_and_only_once(books: Books):
    with MAVEN.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["engage_date"]]
    worth = {
        product: median(
            int(row["close_value"]) * 100
            for row in rows
            if row["deal_stage"] == "Won" and row["product"] == product
        )
        for product in {row["product"] for row in rows}
    }
    mapping = ROOT / "api/imports/mappings/maven.toml"
    expected = ImportReport(
        (str(MAVEN),),
        deals=8300,
        managers=30,
        skipped=(("no engage date: still prospecting, not yet a deal", 500),),
        stored=True,
    )
    assert books.report(MAVEN, mapping=mapping) == expected
    assert books.position == 2 + 30 + 8300 + 4238 + 2473
    status = {"Won": Status.WON, "Lost": Status.LOST, "Engaging": Status.OPEN}
    assert Counter(books.deals_as_rows) == Counter(
        (
            deal(row["opportunity_id"]),
            row["product"],
            row["account"] or "(no account stated)",
            slug(row["sales_agent"]),
            datetime.strptime(row["engage_date"], "%m/%d/%Y").replace(tzinfo=UTC).date(),
            status[row["deal_stage"]],
            int(row["close_value"]) * 100 if row["deal_stage"] == "Won" else worth[row["product"]],
        )
        for row in rows
    )
    with books.service.asking() as cursor:
        dollars = portfolios_from_ledger(cursor, TODAY, books.position)["USD"]
    won = sum(held.balance.won for held in dollars.values())
    assert won == sum(int(row["close_value"] or 0) for row in rows) * 100 * 10_000
    again = replace(expected, deals=0, managers=0, repeated=8300)
    assert books.report(MAVEN, mapping=mapping) == again
    assert books.position == 2 + 30 + 8300 + 4238 + 2473
