"""Who moves: a line for each manager, what was done and by what the portfolio changed."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response

from api.pages import charts, figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.frame import Page, show
from api.pages.people import People
from api.pages.reports.comparison import MOST, chosen_as
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)

ASKED = ("from", "to", "as_of", "known_at", "position", "currency", "team_id")
SHOWN = 1_000
"""Whoever stands still is at the end, and is what a head looks for."""
CAUSES: Mapping[str, str] = {
    "effort": "Effort",
    "check_revisions": "New checks",
    "handovers": "Handovers",
    "suspensions": "Suspensions",
    "closings": "Closings",
    "total": "In all",
}


@router.get("/reports/activity")
async def activity(visit: VisitDep) -> Response:
    answer, teams, blocks = await _found(visit)
    first = [one["manager_id"] for one in answer["managers"] if one["now"]["actions"]][:MOST]
    return show(
        visit,
        "report_activity.html",
        answer=answer,
        teams=teams,
        blocks=blocks,
        shown=SHOWN,
        more={name: visit.asked[name] for name in ASKED if visit.asked.get(name)},
        compared=visit.link("/reports/comparison", **chosen_as(first)),
        is_still=not any(one["now"]["actions"] for one in answer["managers"]),
    )


@router.get("/reports/activity/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `moves.excel.csv`."""
    answer, _, blocks = await _found(visit)
    point = {**answer, "from": answer["first_day"]}
    return block_file(visit, file, blocks, "activity", point, answer["currency"])


async def _found(
    visit: Visit,
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], Sequence[Block]]:
    asked = {name: visit.asked.get(name) for name in ASKED}
    answer, managers, teams = await gather(
        visit.ask("/reports/activity", **asked),
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
    )
    teller = Teller(visit, People.of(managers["managers"]), {}, {}, answer["currency"])
    return answer, teams["teams"], [teller.moves(answer), teller.gains(answer, "gained")]


class Teller(Cells):
    """Tells the answer, table by table."""

    def moves(self, answer: Mapping[str, Any]) -> Block:
        say = self.say
        columns = [
            Column(say("Manager"), "text"),
            Column(say("Place"), "count"),
            Column(say("Place before"), "count"),
            Column(say("Actions"), "count"),
            Column(f"{say('Confirmed')}, %", "percent"),
            Column(say("Deals worked on"), "count"),
            Column(say("Deals of theirs"), "count"),
            Column(f"{say('Points gained')}, %", "percent"),
            *(Column(say(one), "money") for one in ("By effort", "Before", "Change")),
            Column(f"{say('Change')}, %", "percent"),
        ]
        changes = [abs(float(one["change"] or 0)) for one in answer["managers"]]
        widest = max([*changes, 0.0])
        rows = [
            (
                self.manager(one["manager_id"]),
                self._place(one["rank"], one["rank_before"]),
                self.count(one["rank_before"]),
                *self._done(one["now"], self._movement(answer, one["manager_id"], "actions")),
                self._before(one["before"]),
                self._change(one["change"], widest),
                self._share(one["change_share"]),
            )
            for one in answer["managers"]
        ]
        now, before = answer["total"]["now"], answer["total"]["before"]
        nothing = Cell(None, "")
        total = (
            self.text(say("Total")), nothing, nothing,
            *self._done(now, self._movement(answer, None, "actions")),
            self.millions(before["gained"]["effort"]), nothing, nothing,
        )  # fmt: skip
        return Block(
            "moves", say("Who moves"),
            say("Positive actions dated in these days that were neither withdrawn nor rejected, and what the portfolio gained by them; before: in as many days just before. The place is by what was gained by effort."),  # noqa: E501
            "", columns, rows, len(rows), total,
        )  # fmt: skip

    def gains(self, answer: Mapping[str, Any], what: str) -> Block:
        say = self.say
        columns = [
            Column(say("Manager"), "text"),
            *(Column(say(title), "money") for title in CAUSES.values()),
        ]
        rows = [
            (
                self.manager(one["manager_id"]),
                *self._causes(one["now"][what], self._movement(answer, one["manager_id"])),
            )
            for one in answer["managers"]
        ]
        total = self._causes(answer["total"]["now"][what], self._movement(answer, None))
        return Block(
            "gains", say("By what the portfolio changed"),
            say("The same as the movement of the portfolio over these days: effort is actions, confirmations, rejections, withdrawals and new weights; all else is apart."),  # noqa: E501
            "", columns, rows, len(rows), (self.text(say("Total")), *total),
        )  # fmt: skip

    def _done(self, now: Mapping[str, Any], link: str) -> Sequence[Cell]:
        return (
            self.count(now["actions"], link),
            self._share(now["confirmed_share"]),
            self.count(now["deals_touched"]),
            self.count(now["deals"]),
            self._share(now["points"]["effort"]),
            self.millions(now["gained"]["effort"], link, signed=True),
        )

    def _causes(self, gains: Mapping[str, str], link: str) -> Sequence[Cell]:
        return [self.millions(gains[cause], link, signed=True) for cause in CAUSES]

    def _place(self, rank: int, before: int | None) -> Cell:
        """With by how many places it rose or fell."""
        shown = figures.count(rank, self.visit.language)
        if before is not None and before != rank:
            way = "↑" if rank < before else "↓"
            shown += f"{figures.SPACE}{way}{abs(before - rank)}"
        return Cell(rank, shown)

    def _share(self, text: str | None) -> Cell:
        shown = "" if text is None else figures.percent(text, self.visit.language)
        return Cell(text, shown)

    def _before(self, before: Mapping[str, Any] | None) -> Cell:
        return Cell(None, "") if before is None else self.millions(before["gained"]["effort"])

    def _change(self, text: str | None, widest: float) -> Cell:
        if text is None:
            return Cell(None, "")
        bar = charts.change_bar(float(text), widest)
        return self.millions(text, signed=True)._replace(picture=bar)

    def _movement(self, answer: Mapping[str, Any], manager: str | None, part: str = "") -> str:
        """To the events that made it up."""
        eve = date.fromisoformat(answer["first_day"]) - timedelta(days=1)
        asked = {"from": eve, "to": answer["last_day"], "manager_id": manager, "as_of": None}
        if self.visit.asked.get("currency"):
            asked["currency"] = answer["currency"]
        page = self.visit.link("/movement", **asked)
        return f"{page}#{part}" if part else page
