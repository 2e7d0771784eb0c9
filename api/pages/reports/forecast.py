"""What will close: each period with its spread, the deals that make it up, and how good earlier
forecasts were.
"""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.pages import figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.frame import Page, gettext, show
from api.pages.manager import STATUSES
from api.pages.people import People
from api.pages.reports.spreads import Spread, spreads
from api.pages.sheets import Column, Kind
from api.pages.visit import Visit, VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)

ADDRESS = "/reports/forecast"
ASKED = (
    "as_of", "known_at", "position", "currency", "team_id", "manager_id",
    "by", "horizon", "target", "shared_risk", "seed",
)  # fmt: skip
"""What may stand behind the page's address, as behind that of /v1/reports/forecast."""
WHOSE = ("currency", "team_id", "manager_id")
NO_RECORD: Mapping[str, Any] = {"quarters": ()}
SHOWN = 12
"""Rows of each table on the page; all are taken along."""
BASES = {"history": "history", "progress": "assumption", "given-up": "given up"}
TIMINGS = {
    "slips": "earlier slips",
    "incidence": "earlier wins",
    "expected": "expected close",
    "none": "not known",
}
"""Of answers, as msgids."""

Answer = Mapping[str, Any]


@router.get(ADDRESS)
async def forecast(visit: VisitDep) -> Response:
    answer, people, teams = await _found(visit)
    record = await _recorded(visit, answer)
    teller = Teller(visit, people, {}, {}, answer["currency"])
    return show(
        visit,
        "report_forecast.html",
        answer=answer,
        record=record,
        people=people,
        teams=teams,
        blocks={one.name: one for one in teller.blocks(answer, record)},
        pictures=_pictures(visit, answer),
        scores=_scores(visit, record),
        percent=partial(_percent, visit),
        address=f"{ADDRESS}/",
        shown=SHOWN,
        more={name: visit.asked[name] for name in ASKED if visit.asked.get(name)},
    )


@router.get(f"{ADDRESS}/{{file}}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `deals.excel.csv`."""
    answer, people, _ = await _found(visit)
    record = await _recorded(visit, answer) if file.startswith("record.") else NO_RECORD
    blocks = Teller(visit, people, {}, {}, answer["currency"]).blocks(answer, record)
    return block_file(visit, file, blocks, "forecast", answer, answer["currency"])


async def _found(visit: Visit) -> tuple[Answer, People, Sequence[Answer]]:
    asked = {name: visit.asked.get(name, "").strip() for name in ASKED}
    asked["target"] = asked["target"].replace(",", ".").replace(" ", "")
    answer, managers, teams = await gather(
        visit.ask("/reports/forecast", **asked, limit=1_000),
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
    )
    return answer, People.of(managers["managers"]), teams["teams"]


async def _recorded(visit: Visit, answer: Answer) -> Answer:
    """At the very point of the forecast."""
    whose = {name: visit.asked.get(name, "").strip() for name in WHOSE}
    point = {name: answer[name] for name in ("as_of", "position")}
    told: Answer = await visit.ask("/reports/forecast/record", **whose, **point)
    return told


def _percent(visit: Visit, chance: float | None) -> str:
    """With a sign; of what is not known, nothing."""
    if chance is None:
        return ""
    return f"{figures.percent(_text(chance), visit.language)}{figures.SPACE}%"


def _text(chance: float) -> str:
    """Percent with two decimals, as everywhere."""
    return f"{chance * 100:.2f}"


class Teller(Cells):
    """Tells the answers, table by table."""

    def blocks(self, answer: Answer, record: Answer) -> Sequence[Block]:
        return (
            self._periods(answer, "independent"),
            self._periods(answer, "shared_risk"),
            self._deals(answer),
            self._chances(answer),
            self._bands(answer["history"]["bands"]),
            self._record(record["quarters"]),
        )

    def _columns(self, *columns: tuple[str, Kind]) -> list[Column]:
        return [Column(self.say(title), kind) for title, kind in columns]

    def _word(self, words: Mapping[str, str], told: str) -> Cell:
        return self.text(self.say(words[told]))

    def _sum(self, text: str, link: str | None = None) -> Cell:
        return Cell(text, figures.compact(text, self.currency, self.visit.language), link)

    def _chance(self, chance: float | None) -> Cell:
        return Cell(None, "") if chance is None else self.percent(_text(chance))

    def _span(self, one: Answer) -> Cell:
        name = span_name(self.visit, one)
        return Cell(f"{one['first_day']}/{one['last_day']}", name)

    def _day(self, text: str | None) -> Cell:
        return Cell(None, "") if text is None else self.date(text)

    def _periods(self, answer: Answer, kind: str) -> Block:
        """Also all periods together, in the last row; the target, where there is one."""
        chances = {"nothing": "Chance of nothing", "target": "Chance of the target"}
        asked = [name for name in chances if name != "target" or answer["target"] is not None]
        columns = self._columns(
            ("Period", "text"), ("Deals", "count"), ("Expected", "money"),
            ("P10", "money"), ("P50", "money"), ("P90", "money"),
            *((chances[name], "percent") for name in asked),
        )  # fmt: skip
        rows = [
            (
                self._span(one), self.count(one["deals"], "#deals"),
                self._sum(one["expected"], "#chances"),
                *(self._sum(one[kind][level]) for level in ("p10", "p50", "p90")),
                *(self._chance(one[kind][name]) for name in asked),
            )
            for one in (*answer["periods"], answer["total"])
        ]  # fmt: skip
        name = kind.replace("_", "-")
        return Block(name, self.say(PERIODS[kind]), "", "", columns, rows, len(rows))

    def _deals(self, answer: Answer) -> Block:
        columns = self._columns(
            ("Deal", "text"), ("Owner", "text"), ("Expected", "money"), ("Brings", "money"),
            ("Check", "money"), ("Progress", "percent"), ("Chance of being won", "percent"),
            ("at least", "percent"), ("at most", "percent"), ("Chance from", "text"),
            ("Expected close", "date"), ("Time from", "text"), ("Status", "text"),
        )  # fmt: skip
        rows = [
            (
                self.deal(one), self.manager(one["owner"]),
                self._sum(one["expected"]), self._sum(one["value"]),
                self._sum(one["potential_check"]["amount"]), self.percent(one["progress"]),
                *(self._chance(one[name]) for name in ("win", "low", "high")),
                self._word(BASES, one["basis"]), self._day(one["expected_close_on"]),
                self._word(TIMINGS, one["timing"]), self._word(STATUSES, one["status"]),
            )
            for one in answer["deals"]
        ]  # fmt: skip
        number = answer["deals_number"]
        return Block("deals", self.say("Deals in progress"), "", "", columns, rows, number)

    def _chances(self, answer: Answer) -> Block:
        """Of each deal in each period."""
        names = [span_name(self.visit, one) for one in answer["periods"]]
        columns = [
            Column(self.say("Deal"), "text"),
            *(Column(name, "percent") for name in names),
            *self._columns(("Later", "percent"), ("Ever", "percent")),
        ]
        rows = [
            (
                self.deal(one), *map(self._chance, one["chances"]), self._chance(one["later"]),
                self._chance(one["win"]),
            )
            for one in answer["deals"]
        ]  # fmt: skip
        title = self.say("Chances of each deal by period")
        return Block("chances", title, "", "", columns, rows, answer["deals_number"])

    def _bands(self, bands: Sequence[Answer]) -> Block:
        columns = self._columns(
            ("Progress then, percent", "text"), ("Deals", "count"), ("Decided", "count"),
            ("Won", "count"), ("Chance of being won", "percent"), ("at least", "percent"),
            ("at most", "percent"),
        )  # fmt: skip
        rows = [
            (
                self.text(band_name(self.visit, one["band"])), self.count(one["deals"]),
                self.count(one["decided"]), self.count(one["won"]),
                *(self._chance(one[name]) for name in ("win", "low", "high")),
            )
            for one in bands
        ]  # fmt: skip
        return Block("history", self.say("What history says"), "", "", columns, rows, len(rows))

    def _record(self, quarters: Sequence[Answer]) -> Block:
        columns = self._columns(
            ("Quarter", "text"), ("Deals", "count"), ("Chance from", "text"), ("Expected", "money"),
            ("P10", "money"), ("P50", "money"), ("P90", "money"), ("Happened", "money"),
            ("From P10 to P90", "text"), ("Of deals opened later", "money"), ("CRPS", "money"),
            ("CRPS of progress", "money"),
        )  # fmt: skip
        yes, no = self.say("yes"), self.say("no")
        rows = [
            (
                self._span(one), self.count(one["deals"], self._then(one)),
                self._word(BASES, one["basis"]),
                self._sum(one["expected"], self._then(one)),
                *(self._sum(one[level]) for level in ("p10", "p50", "p90")),
                self._sum(one["happened"], self._since(one)),
                self.text(yes if one["inside"] else no),
                *(self._sum(one[name]) for name in ("unforeseen", "crps", "crps_of_progress")),
            )
            for one in reversed(quarters)
        ]  # fmt: skip
        return Block("record", self.say("How good it was"), "", "", columns, rows, len(rows))

    def _then(self, one: Answer) -> str:
        """The forecast as it was on the eve."""
        eve = date.fromisoformat(one["first_day"]) - timedelta(days=1)
        asked = {name: self.visit.asked.get(name) for name in ("manager_id", "currency")}
        return self.visit.link(ADDRESS, as_of=eve, known_at=eve, by="quarter", **asked)

    def _since(self, one: Answer) -> str:
        eve = date.fromisoformat(one["first_day"]) - timedelta(days=1)
        asked = {name: self.visit.asked.get(name) for name in ("manager_id", "currency")}
        span = {"from": eve, "to": one["last_day"], "account": "won", "as_of": None}
        return self.visit.link("/movement", **span, **asked)


PERIODS = {"independent": "As if deals were independent", "shared_risk": "With a shared market"}


def span_name(visit: Visit, one: Answer) -> str:
    """A month or quarter by its name, what is left of one too; else from day to day."""
    first, last = date.fromisoformat(one["first_day"]), date.fromisoformat(one["last_day"])
    if (first.year, first.month) == (last.year, last.month):
        return figures.month_and_year(last, visit.language)
    quarter = (last.month + 2) // 3
    if last.year == first.year and quarter == (first.month + 2) // 3:
        return gettext(visit.language)("Q{quarter} {year}").format(quarter=quarter, year=last.year)
    short = partial(figures.short_date, language=visit.language, today=visit.today)
    return f"{short(first)} – {short(last)}"


def band_name(visit: Visit, band: str) -> str:
    return (
        gettext(visit.language)(STATUSES[band]) if band == "suspended" else band.replace("-", "–")
    )


def _pictures(visit: Visit, answer: Answer) -> Sequence[Markup]:
    say = gettext(visit.language)
    drawn = [(one, one["independent"], one["expected"]) for one in answer["periods"]]
    label = say("What will be won by period, from P10 to P90; the same figures are in the table")
    return _drawn(visit, drawn, say("expected"), label, answer["currency"], answer["target"])


def _scores(visit: Visit, record: Answer) -> Sequence[Markup]:
    say = gettext(visit.language)
    drawn = [(one, one, one["happened"]) for one in record["quarters"]]
    label = say("What was foreseen, from P10 to P90, and what happened; both are in the table, too")
    return _drawn(visit, drawn, say("happened"), label, record["currency"], None) if drawn else []


def _levels(one: Answer) -> tuple[str, str, str]:
    return one["p10"], one["p50"], one["p90"]


def _drawn(
    visit: Visit,
    drawn: Sequence[tuple[Answer, Answer, str]],
    dot: str,
    label: str,
    currency: str,
    target: str | None,
) -> Sequence[Markup]:
    """At a desk and on a phone."""
    say = gettext(visit.language)
    compact = partial(figures.compact, currency=currency, language=visit.language)
    highest = max(float(levels["p90"]) for _, levels, _ in drawn)
    unit, divided_by = (say("bn"), 1e9) if highest >= 1e9 else (say("m"), 1e6)
    bars = [
        Spread(
            span_name(visit, one),
            f"{span_name(visit, one)}: {' – '.join(map(compact, _levels(levels)))};"
            f" {dot} {compact(amount)}",
            *(float(one) / divided_by for one in (*_levels(levels), amount)),
        )
        for one, levels, amount in drawn
    ]
    line = None if target is None else (float(target) / divided_by, compact(target))
    symbol = figures.symbol(currency, visit.language)
    return [
        spreads(
            bars, label=label, unit=f"{unit} {symbol}", language=visit.language, target=line,
            narrow=narrow,
        )
        for narrow in (False, True)
    ]  # fmt: skip
