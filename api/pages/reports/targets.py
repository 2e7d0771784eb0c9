"""What is to be reached: how far the targets of a day have come, those that stand, and the form by
which a director sets one.
"""

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages import figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.forms import Typed, count, plain_number, read_own_form, record, typed
from api.pages.frame import Page, show
from api.pages.people import People
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep, parsed_day
from domain.access import Task
from domain.periods import Month

router = APIRouter(route_class=Page, include_in_schema=False)

SHOWN = 1_000
MEASURES: Mapping[str, str] = {
    "portfolio": "Portfolio on the last day",
    "gained": "Gained by effort",
    "actions": "Actions",
}
_FIELDS = ("whom", "measure", "value", "first_day", "last_day", "reason")


@dataclass(frozen=True, slots=True)
class Found:
    """`standing` as /v1/targets tells them, `reached` as the report of the day does."""

    answer: Mapping[str, Any]
    standing: Sequence[Mapping[str, Any]]
    people: People
    teams: Mapping[str, str]
    blocks: Sequence[Block]
    as_of: date

    def called(self, target: Mapping[str, Any]) -> str:
        if target["manager_id"] is None:
            return self.teams.get(target["team_id"], target["team_id"])
        return self.people.name(target["manager_id"])


@router.get("/reports/targets")
async def targets(visit: VisitDep) -> Response:
    return await _page(visit, Typed())


@router.get("/reports/targets/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `reached.excel.csv`."""
    found = await _found(visit)
    return block_file(visit, file, found.blocks, "targets", found.answer, _currency(visit))


@router.post("/reports/targets/setting")
async def set_one(visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    kind, _, whom = form.get("whom", "").partition(":")
    body: dict[str, object] = {
        "team_id" if kind == "team" else "manager_id": whom,
        "measure": form.get("measure", ""),
        "first_day": form.get("first_day", ""),
        "last_day": form.get("last_day", ""),
        "reason": form.get("reason", ""),
    }
    value = plain_number(form.get("value", "").strip())
    if body["measure"] == "actions":
        body["number"] = count(value)
    else:
        body["amount"] = {"amount": value, "currency": _currency(visit)}
    try:
        position = await record(visit, form, "/targets", body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _page(visit, typed(visit, "setting", form, error, _FIELDS))
    return _to(visit, "targets", position)


@router.post("/reports/targets/withdrawal")
async def withdrawn(visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    path = f"/targets/{form.get('target_id', '')}/withdrawal"
    try:
        position = await record(visit, form, path, {"reason": form.get("reason", "")})
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _page(visit, typed(visit, "withdrawal", form, error, ("target_id", "reason")))
    return _to(visit, "target-withdrawal", position)


def _to(visit: Visit, what: str, position: int) -> Response:
    return RedirectResponse(visit.link("/reports/targets", recorded=f"{what}-{position}"), 303)


def _currency(visit: Visit) -> str:
    return visit.service.settings.currency


async def _page(visit: Visit, given: Typed) -> Response:
    found = await _found(visit)
    month = Month(visit.today.year, visit.today.month)
    page = show(
        visit,
        "report_targets.html",
        found=found,
        typed=given,
        measures=MEASURES,
        currency=_currency(visit),
        shown=SHOWN,
        may_set=visit.may(Task.REGULATE) and not visit.asked.get("known_at"),
        withdrawable=[one for one in found.standing if one["last_day"] >= str(visit.today)],
        first_day=visit.today.replace(day=1),
        last_day=month.last_day,
    )
    page.status_code = given.status
    return page


async def _found(visit: Visit) -> Found:
    as_of = parsed_day(visit.asked.get("as_of"), visit.today)
    point = {name: visit.asked.get(name) for name in ("as_of", "known_at")}
    answer, told, managers, teams = await gather(
        visit.ask("/reports/activity", **point),
        visit.ask("/targets", limit=1_000, **point),
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
    )
    called = {one["team_id"]: one["name"] for one in teams["teams"]}
    people = People.of(managers["managers"])
    found = Found(answer, told["targets"], people, called, (), as_of)
    teller = Teller(visit, people, {}, {}, _currency(visit))
    blocks = teller.reached(found), teller.standing(found)
    return Found(answer, told["targets"], people, called, blocks, as_of)


class Teller(Cells):
    """Tells the targets, table by table."""

    def reached(self, found: Found) -> Block:
        say = self.say
        columns = [
            *(Column(say(one), "text") for one in ("Whose", "Measure")),
            *(Column(say(one), "date") for one in ("From", "Up to")),
            *(Column(say(one), "money") for one in ("Target", "Reached", "Expected by now")),
            *(Column(f"{say(one)}, %", "percent") for one in ("Reached", "Of what is expected")),
        ]
        rows = [
            (
                *self._promise(found, one),
                self._figure(one, one["reached"]), self._figure(one, one["expected"]),
                self._share(one["share"]), self._share(one["pace"]),
            )
            for one in found.answer["targets"]
        ]  # fmt: skip
        return Block(
            "reached", say("How far they have come"),
            say("Targets that have this day among theirs. Expected is a straight line from the first day to the last."),  # noqa: E501
            "", columns, rows, len(rows),
        )  # fmt: skip

    def standing(self, found: Found) -> Block:
        say = self.say
        columns = [
            *(Column(say(one), "text") for one in ("Whose", "Measure")),
            *(Column(say(one), "date") for one in ("From", "Up to")),
            Column(say("Target"), "money"),
            Column(say("Reason"), "text"),
            Column(say("Position"), "count"),
        ]
        rows = [
            (
                *self._promise(found, one),
                self.text(one["reason"]),
                self.count(one["position"], self._event(one["position"])),
            )
            for one in found.standing
        ]
        return Block(
            "standing", say("All that stand"),
            say("Targets that were neither replaced nor withdrawn, also those that begin later."),
            "", columns, rows, len(rows),
        )  # fmt: skip

    def _promise(self, found: Found, one: Mapping[str, Any]) -> Sequence[Cell]:
        name, visit = found.called(one), self.visit
        link = visit.link(f"/managers/{one['manager_id']}") if one["manager_id"] else None
        promised = one["amount"]["amount"] if one["amount"] else str(one["number"])
        return (
            Cell(name, name, link or visit.link("/", team_id=one["team_id"])),
            self.text(self._measure(one)),
            *(
                Cell(one[day], figures.short_date(
                    date.fromisoformat(one[day]), visit.language, visit.today))
                for day in ("first_day", "last_day")
            ),
            self._figure(one, promised),
        )  # fmt: skip

    def _measure(self, one: Mapping[str, Any]) -> str:
        """With the unit in which the figures of the row are."""
        measure = MEASURES[one["measure"]]
        title = self.say(measure)
        if one["amount"] is None:
            return title
        unit = figures.symbol(one["amount"]["currency"], self.visit.language)
        return f"{title}, {self.say('m')}{figures.SPACE}{unit}"

    def _figure(self, one: Mapping[str, Any], text: str) -> Cell:
        if one["amount"] is None:
            return Cell(text, figures.count(int(text), self.visit.language))
        language = self.visit.language
        title = figures.exact(text, one["amount"]["currency"], language)
        return Cell(text, figures.millions(text, language), None, title)

    def _share(self, text: str | None) -> Cell:
        return Cell(text, "" if text is None else figures.percent(text, self.visit.language))

    def _event(self, position: int) -> str | None:
        return self.event(position) if self.visit.may(Task.AUDIT) else None
