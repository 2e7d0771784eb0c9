"""Monday's page: a week at a glance, to read on a screen, to print, or to send the address of."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response

from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.frame import Page, show
from api.pages.journal import TYPES
from api.pages.reports.choosing import Chosen, chosen
from api.pages.reports.stalled import deals_block
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep
from domain.access import Task

router = APIRouter(route_class=Page, include_in_schema=False)

ASKED = ("week",)
SHOWN, ASKED_FOR = 10, 100
"""Rows of each list on the page, and that are asked for, so that it says whether there are more."""
WEEK = timedelta(days=7)


@router.get("/reports/digest")
async def digest(visit: VisitDep) -> Response:
    found = await chosen(visit, "digest", ASKED, limit=ASKED_FOR)
    answer = found.answer
    first = date.fromisoformat(answer["first_day"])
    return show(
        visit,
        "report_digest.html",
        chosen=found,
        blocks=_blocks(visit, found),
        shown=SHOWN,
        earlier=visit.here(week=first - WEEK),
        later=visit.here(week=first + WEEK) if first + WEEK <= visit.today else None,
        moved=visit.link("/movement", **_moved(answer), as_of=None),
    )


@router.get("/reports/digest/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `gains.excel.csv`, with all that is told of it."""
    found = await chosen(visit, "digest", ASKED, limit=1_000)
    answer = found.answer
    point = {**answer, "from": answer["first_day"]}
    return block_file(visit, file, _blocks(visit, found), "digest", point, answer["currency"])


def _moved(answer: Mapping[str, Any]) -> dict[str, object]:
    eve = date.fromisoformat(answer["first_day"]) - timedelta(days=1)
    return {"from": eve, "to": answer["last_day"]}


def _blocks(visit: Visit, found: Chosen) -> Sequence[Block]:
    answer = found.answer
    teller = Teller(visit, found.people, {}, found.kinds, answer["currency"])
    stalled = deals_block(teller, answer["stalled"]["deals"], answer["stalled"]["number"])
    return (
        teller.managers(answer),
        teller.events("gains", "Largest gains", answer["gains"], len(answer["gains"])),
        teller.events("losses", "Largest losses", answer["losses"], len(answer["losses"])),
        teller.closings(answer["closings"]),
        Block("stalled", teller.say("What stands still"), "", "", stalled.columns, stalled.rows,
              stalled.number),
        teller.waiting(answer["waiting"]),
        teller.events(
            "late", "Entered late: it changed what stood before the week",
            answer["late"]["entries"], answer["late"]["number"],
        ),
    )  # fmt: skip


class Teller(Cells):
    """Tells the answer, part by part."""

    def managers(self, answer: Mapping[str, Any]) -> Block:
        say = self.say
        columns = [
            Column(say("Manager"), "text"),
            *(Column(say(one), "money") for one in ("Before", "After", "Change")),
        ]
        rows = [
            (
                self.manager(one["manager_id"]),
                *(self.money(one[name]) for name in ("opening", "closing")),
                Cell(one["change"], self.money(one["change"]).shown,
                     self.visit.link("/movement", **_moved(answer),
                                     manager_id=one["manager_id"], as_of=None)),
            )
            for one in answer["managers"]
        ]  # fmt: skip
        return Block("managers", say("Who moved"), "", "", columns, rows, len(rows))

    def events(
        self, name: str, title: str, lines: Sequence[Mapping[str, Any]], number: int
    ) -> Block:
        say = self.say
        columns = [
            Column(say("Deal"), "text"),
            *(Column(say(one), "text") for one in ("What happened", "Manager")),
            Column(say("When it was"), "date"),
            Column(say("When recorded"), "text"),
            *(Column(say(one), "money") for one in ("In work", "Claimed")),
        ]
        rows = [
            (
                self.deal(one), self._what(one), self._people(one["managers"]),
                self.date(one["effective_on"]), self._recorded(one),
                self.money(one["active"]), self.money(one["claimed"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(name, say(title), "", "", columns, rows, number)

    def closings(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        columns = [
            Column(say("Deal"), "text"),
            *(Column(say(one), "text") for one in ("Client", "What happened", "Manager")),
            Column(say("When it was"), "date"),
            Column(say("Amount"), "money"),
            Column(say("Currency"), "text"),
        ]
        rows = [
            (
                self.deal(one), self.text(one["client"]), self._what(one),
                self._people(one["managers"]), self.date(one["effective_on"]),
                self.money(one["amount"]), self.text(one["currency"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block("closings", say("Closed in the week"), "", "", columns, rows, len(rows))

    def waiting(self, part: Mapping[str, Any]) -> Block:
        say = self.say
        columns = [
            Column(say("Deal"), "text"),
            *(Column(say(one), "text") for one in ("Action", "Manager")),
            Column(say("When it was"), "date"),
            Column(say("Waits, days"), "count"),
            Column(say("Claimed"), "money"),
        ]
        rows = [
            (
                self.deal(one),
                self.text(self.kinds.get(one["action_type"], one["action_type"])),
                self._people(one["managers"]), self.date(one["effective_on"]),
                self.count(one["waits_days"]), self.money(one["amount"]),
            )
            for one in part["actions"]
        ]  # fmt: skip
        title = say("Waits to be confirmed")
        return Block("waiting", title, "", "", columns, rows, part["number"])

    def _what(self, one: Mapping[str, Any]) -> Cell:
        """The action type where it is an action, else the event."""
        name = TYPES[one["event"]]
        event, kind = self.say(name), self.kinds.get(one["action_type"], one["action_type"])
        if kind is None:
            return self.text(event)
        return self.text(kind if one["event"] == "ActionPerformed" else f"{event}: {kind}")

    def _people(self, managers: Sequence[str]) -> Cell:
        return self.text(", ".join(map(self.people.name, managers)))

    def _recorded(self, one: Mapping[str, Any]) -> Cell:
        """With the way to the log for whoever may read it."""
        when = self.when(one["recorded_at"], one["position"])
        return when if self.visit.may(Task.AUDIT) else when._replace(link=None)
