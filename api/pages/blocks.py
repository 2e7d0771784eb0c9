"""Figures as tables, to look through and to take along: each cell as it is read, as it is exported,
and with the way to what makes it up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from fastapi import Response

from api.pages import figures
from api.pages.frame import gettext
from api.pages.people import People
from api.pages.periods import local
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit
from api.problems import Problem


class Cell(NamedTuple):
    """`value` as it is taken along, `shown` as it is read; `link` leads to what it is about,
    `title` says it exactly, `sign` is "pos" or "neg" where that matters, and `picture` is drawn
    beside it.
    """

    value: Any
    shown: str
    link: str | None = None
    title: str = ""
    sign: str = ""
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One question: what it counts, which reasons there are that harm nobody, and what was found.
    `number` is how many rows there are in all; `total` the line under them.
    """

    name: str
    title: str
    counts: str
    innocent: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    number: int
    total: Sequence[Cell] = ()


def block_file(
    visit: Visit,
    file: str,
    blocks: Sequence[Block],
    report: str,
    point: Mapping[str, Any],
    currency: str,
) -> Response:
    """One of the blocks of a report, as `late.excel.csv`. Raises Problem for what there is not."""
    name, _, kind = file.partition(".")
    for block in blocks:
        if block.name == name:
            rows = [[cell.value for cell in row] for row in block.rows]
            made = Sheet(f"{report}-{name}", block.columns, rows, point, currency)
            return sheet(visit, kind, made)
    raise Problem("not-found", what="address")


@dataclass(frozen=True, slots=True)
class Cells:
    """Makes cells in the language of the visit. `authors` are names of accounts, `kinds` titles of
    action types.
    """

    visit: Visit
    people: People
    authors: Mapping[str, str]
    kinds: Mapping[str, str]
    currency: str

    @property
    def say(self) -> Callable[[str], str]:
        return gettext(self.visit.language)

    def text(self, text: str) -> Cell:
        return Cell(text, text)

    def author(self, account: str) -> Cell:
        return self.text(self.authors.get(account, account))

    def manager(self, manager_id: str) -> Cell:
        name = self.people.name(manager_id)
        return Cell(name, name, self.visit.link(f"/managers/{manager_id}"))

    def deal(self, one: Mapping[str, Any]) -> Cell:
        return Cell(one["deal_id"], one["title"], self.visit.link(f"/deals/{one['deal_id']}"))

    def count(self, number: int | None, link: str | None = None, *, at: int | None = None) -> Cell:
        shown = "" if number is None else figures.count(number, self.visit.language)
        return Cell(number, shown, link if at is None else self.event(at))

    def percent(self, text: str, *, at: int | None = None) -> Cell:
        shown = f"{figures.percent(text, self.visit.language)}{figures.SPACE}%"
        return Cell(text, shown, None if at is None else self.event(at))

    def money(self, text: str, *, signed: bool = False) -> Cell:
        return Cell(text, figures.exact(text, self.currency, self.visit.language, signed=signed))

    def millions(self, text: str, link: str | None = None, *, signed: bool = False) -> Cell:
        """As a table has amounts: in millions, and exactly in its title."""
        language, value = self.visit.language, Decimal(text)
        sign = "neg" if value < 0 else "pos" if value > 0 else ""
        return Cell(
            text,
            figures.millions(text, language, signed=signed),
            link,
            figures.exact(text, self.currency, language, signed=signed),
            sign if signed else "",
        )

    def raised(self, one: Mapping[str, Any], name: str) -> Cell:
        language, text = self.visit.language, one[name]
        if one["event"] == "WeightChanged":
            return Cell(text, f"{figures.percent(text, language)}{figures.SPACE}%")
        return Cell(text, figures.exact(text, one["currency"], language))

    def date(self, text: str) -> Cell:
        day = local(self.visit, f"{text}T12:00:00+00:00").date()
        return Cell(text, figures.short_date(day, self.visit.language, self.visit.today))

    def when(self, text: str, position: int) -> Cell:
        day = local(self.visit, text).date()
        shown = figures.short_date(day, self.visit.language, self.visit.today)
        return Cell(text, shown, self.event(position))

    def event(self, position: int) -> str:
        return f"{self.visit.link('/log', after=position - 1)}#p{position}"
