"""Figure by figure: every cell of the tables of managers, deals, months, weights and the log is
what the API answers to the same question.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.browser import Browser, page_of
from tests.over_http import Company, company

JUNE, TODAY = "2026-06-30", "2026-10-20"
STATUSES = {
    "open": "Открыта",
    "suspended": "Приостановлена",
    "won": "Выиграна",
    "lost": "Проиграна",
}


class Table(HTMLParser):
    """The text of each cell, by rows, of the table of that class."""

    def __init__(self, page: str, kind: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        start = re.search(rf'<table[^>]*class="[^"]*\b{kind}\b', page)
        assert start, kind
        self.feed(page[start.start() : page.index("</table>", start.start())])

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())


def rows(page: str, kind: str) -> list[list[str]]:
    """Below the headings; a total is the last."""
    return Table(page, kind).rows[1:]


def figure(text: str) -> Decimal | None:
    """None for a cell to which nothing applies."""
    bare = re.sub(r"[^\d,−]", "", text).replace("−", "-").replace(",", ".")
    return Decimal(bare) if bare else None


def figures(cells: Sequence[str]) -> list[Decimal | None]:
    return [figure(cell) for cell in cells]


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Of each status a deal; claims, a setback, a part of a kopeck, a month that was closed."""
    with company(shared_database) as begun:
        team = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        anna, boris = begun.manager("Анна Соколова", team_id=team), begun.manager("Борис Крылов")
        begun.manager("Вера Новикова")
        step, claim = begun.kind("12.50"), begun.kind("4.00", needs_confirmation=True)
        fault = begun.kind("-3.33")
        on = {"effective_on": "2026-07-01"}
        ends: dict[str, dict[str, Any]] = {
            "suspension": {"review_on": "2026-12-01", "reason": "ждём", **on},
            "win": {"contract_amount": "81000000.07", **on},
            "loss": {"reason": "ушли", **on},
        }
        for number, end in enumerate(("", *ends)):
            deal = begun.deal(anna, f"{100 + number}000000.0{number}", title=f"Сделка {number}")
            begun.act(deal, anna, step, "2026-03-02")
            begun.act(deal, boris, step, "2026-06-02")
            begun.act(deal, boris, fault, "2026-06-20")
            begun.act(deal, boris, claim, "2026-06-21")
            if end:
                begun.director.do(f"/v1/deals/{deal}/{end}", ends[end])
        begun.director.do("/v1/periods/2026-06/closing")
        begun.director.do("/v1/periods/2026-06/reopening", {"reason": "Пропущено письмо"})
        begun.act(begun.deal(boris, "7000000.01", on="2026-05-05"), boris, step, "2026-06-30")
        yield begun


@pytest.fixture(scope="module")
def director(here: Company) -> Browser:
    return page_of(here, here.director)


def page(director: Browser, path: str) -> str:
    answer = director.get(path)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


@pytest.mark.parametrize(("as_of", "compare"), [(TODAY, JUNE), (JUNE, "2026-03-01")])
def test_each_manager_of_the_first_page(
    here: Company, director: Browser, as_of: str, compare: str
) -> None:
    shown = rows(page(director, f"/?as_of={as_of}&compare={compare}&exact=1"), "managers")
    (now,) = here.director.ask("/v1/portfolios", as_of=as_of)["currencies"]
    (then,) = here.director.ask("/v1/portfolios", as_of=compare)["currencies"]
    before = {line["manager_id"]: line for line in then["managers"]}
    told = {line["name"]: (line, before[line["manager_id"]]) for line in now["managers"]}
    told["Итого"] = now["total"], then["total"]
    assert [row[0] for row in shown] == sorted(
        told, key=lambda name: (name == "Итого", -Decimal(told[name][0]["active"]))
    )
    for name, _, active, claimed, suspended, progress, deals, _, change, _ in shown:
        line, earlier = told[name]
        assert figures((active, claimed, suspended, progress, deals)) == [
            Decimal(line[part]) for part in ("active", "claimed", "suspended", "progress", "deals")
        ], name
        assert figure(change) == Decimal(line["active"]) - Decimal(earlier["active"]), name


@pytest.mark.parametrize("manager", ["m-1", "m-2"])
def test_each_deal_of_a_manager(here: Company, director: Browser, manager: str) -> None:
    told = here.director.ask(f"/v1/managers/{manager}/portfolio")
    held = told["currencies"][0]
    *shown, total = rows(page(director, f"/managers/{manager}?exact=1&closed=1"), "stakes")
    deals = {f"{deal['title']} {deal['client']}": deal for deal in held["deals"]}
    assert {row[0] for row in shown} == {*deals}
    for name, status, check, progress, credit, claimed, outside, active, part in shown:
        deal = deals[name]
        is_open = deal["status"] == "open"
        assert status == STATUSES[deal["status"]]
        assert figures((check, progress, credit, claimed, active)) == [
            Decimal(deal["potential_check"]["amount"]),
            *(Decimal(deal[part]) for part in ("deal_progress", "credit", "claimed", "active")),
        ], name
        assert figure(outside) == (None if is_open else Decimal(deal[deal["status"]])), name
        whole = 100 * Decimal(deal["active"]) / Decimal(held["active"])
        assert figure(part) == (whole.quantize(Decimal("0.01")) if is_open else None), name
    assert figures((total[5], total[7])) == [Decimal(held[one]) for one in ("claimed", "active")]
    assert figure(total[4]) == Decimal(told["progress"])


def test_each_month_and_each_manager_of_it(here: Company, director: Browser) -> None:
    (told,) = here.director.ask("/v1/periods")["periods"]
    closed = here.director.ask("/v1/periods", position=told["position"] - 1)["periods"][0]
    (now,) = here.director.ask("/v1/portfolios", as_of=JUNE)["currencies"]
    (then,) = here.director.ask("/v1/portfolios", as_of=JUNE, position=closed["position"])[
        "currencies"
    ]
    list_page = page(director, "/periods")
    for row in rows(list_page, "months-list"):
        month = row[0]
        if month == "июнь 2026":
            amounts = [Decimal(one["total"]["active"]) for one in (then, now)]
            millions = [round(one / 10**6, 1) for one in (*amounts, amounts[1] - amounts[0])]
            assert figures(row[4:]) == millions
            for one in amounts:
                assert (
                    f'title="{one:,.2f}'.replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")
                    in list_page
                )
    by_name = {line["name"]: line for line in then["managers"]} | {"Итого": then["total"]}
    shown = rows(page(director, "/periods/2026-06"), "list")
    assert {row[0] for row in shown} == {*by_name}
    for line in (*now["managers"], {"name": "Итого", **now["total"]}):
        row = next(row for row in shown if row[0] == line["name"])
        before, after = Decimal(by_name[line["name"]]["active"]), Decimal(line["active"])
        expected = [round(one / 10**6, 1) for one in (before, after, after - before)]
        assert figures(row[1:4]) == expected, line["name"]


def test_each_weight_of_the_catalogue(here: Company, director: Browser) -> None:
    told = {one["code"]: one for one in here.director.ask("/v1/action-types")["action_types"]}
    shown = rows(page(director, "/catalogue"), "list")
    assert {row[0].rpartition(" ")[2] for row in shown} == {*told}
    for row in shown:
        assert figure(row[1]) == Decimal(told[row[0].rpartition(" ")[2]]["weight"]), row


def test_each_event_of_the_log(here: Company, director: Browser) -> None:
    told = here.director.ask("/v1/events", after=0, limit=1_000)["events"][::-1]
    shown = rows(page(director, "/log"), "log")
    assert len(shown) == len(told)
    for event, row in zip(told, shown, strict=True):
        recorded = datetime.fromisoformat(event["recorded_at"]).astimezone(
            ZoneInfo("Europe/Moscow")
        )
        assert figure(row[0]) == event["position"]
        assert f'"position": {event["position"]}' in row[1]
        assert row[4].endswith(recorded.strftime("%H:%M"))
        on = event.get("effective_on")
        late = (recorded.date() - datetime.fromisoformat(on).date()).days if on else 0
        assert bool(row[5]) == (late > 7 and "deal_id" in event), row
        assert not row[5] or figure(row[5]) == late
