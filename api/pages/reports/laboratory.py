"""The weight laboratory: other regulations are chosen, and history is shown under them."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from api.pages import figures
from api.pages.blocks import Block, block_file
from api.pages.forms import plain_number
from api.pages.frame import Page, gettext, show
from api.pages.people import People
from api.pages.reports import calibration
from api.pages.reports.calibration import Chances, asked_of, diagrams
from api.pages.reports.drawn import Move, dumbbells
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep
from api.pages.why import choice_of
from domain.access import Task

router = APIRouter(route_class=Page, include_in_schema=False)

ADDRESS = "/reports/laboratory"
OTHER = ("weights", "cap", "without_type", "without_manager")
"""By one of these at least something is another than in the books."""
ASKED = (
    *OTHER, "horizon_months", "as_known", "as_of", "known_at", "position", "team_id",
    "manager_id", "currency",
)  # fmt: skip
"""What may stand behind the page's address, as behind that of /v1/reports/laboratory."""
FIELD = "weight."
"""Before a type's code, as the form sends its weight."""
DRAWN = 25
"""Managers in the drawing, those with the largest portfolios."""
SHOWN = 60
AGAIN_SECONDS = 2
_MILLION = Decimal(10) ** 6


@router.get(ADDRESS)
async def laboratory(visit: VisitDep) -> Response:
    visit.grant.reach(Task.SEE)
    managers, teams, kinds = await gather(
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
        visit.ask("/action-types", limit=1_000, as_of=visit.asked.get("as_of")),
    )
    types = kinds["action_types"]
    if any(name.startswith(FIELD) for name in visit.asked):
        return RedirectResponse(_compact(visit, types), 303)
    people, more = People.of(managers["managers"]), asked_of(visit, ASKED)
    is_other = any(name in more for name in OTHER)
    answer = await visit.ask("/reports/laboratory", **more) if is_other else None
    if answer and answer["result"] is None and "position" not in visit.asked:
        point = {name: answer[name] for name in ("as_of", "position")}
        return RedirectResponse(visit.here(known_at=None, **point), 303)  # the same point till done
    result = answer["result"] if answer else None
    blocks = _blocks(visit, people, types, answer) if answer and result else ()
    page = show(
        visit,
        "report_laboratory.html",
        answer=answer,
        as_of=answer["as_of"] if answer else visit.asked.get("as_of") or visit.today,
        choice=choice_of(visit, teams["teams"], managers["managers"], people),
        types=[one for one in types if one["weights"]],
        by_code={one["code"]: one for one in types},
        chosen=_chosen(visit),
        blocks=blocks,
        moves=_drawn(visit, people, answer) if answer and result else (),
        charts=_diagrams(visit, result) if result else (),
        shown=SHOWN,
        more=more,
        same=visit.link(ADDRESS, **more | _point(answer)) if answer else "",
    )
    if answer and not result:
        page.headers["Refresh"] = str(AGAIN_SECONDS)
    return page


@router.get(f"{ADDRESS}/{{file}}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One of the tables, as `managers.excel.csv`."""
    answer, managers, kinds = await gather(
        visit.ask("/reports/laboratory", **asked_of(visit, ASKED)),
        visit.ask("/managers", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )
    people = People.of(managers["managers"])
    blocks = _blocks(visit, people, kinds["action_types"], answer) if answer["result"] else ()
    return block_file(visit, file, blocks, "laboratory", answer, answer["currency"])


def _point(answer: Mapping[str, Any]) -> dict[str, object]:
    return {"as_of": answer["as_of"], "position": answer["position"], "known_at": None}


def _compact(visit: Visit, types: Sequence[Mapping[str, Any]]) -> str:
    """The address of what the form says: only weights that are others than in the catalogue."""
    weights = []
    for one in types:
        typed = plain_number(visit.asked.get(FIELD + one["code"], "").strip())
        if typed and typed != one["weight"] and Decimal(one["weight"] or 0) != _number(typed):
            weights.append(f"{one['code']}:{typed}")
    cap = plain_number(visit.asked.get("cap", "").strip())
    own = {name: None for name in visit.asked if name.startswith(FIELD)}
    is_whole = _number(cap) == 100
    return visit.here(**own, weights=",".join(weights), cap=None if is_whole else cap)


def _number(text: str) -> Decimal | None:
    """What is none is the question's to refuse."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _chosen(visit: Visit) -> Mapping[str, str]:
    """The other weights, by type."""
    pairs = (part.partition(":") for part in visit.asked.get("weights", "").split(",") if part)
    return {code: weight for code, _, weight in pairs}


def _blocks(
    visit: Visit, people: People, types: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]
) -> Sequence[Block]:
    titles = {one["code"]: one["title"][visit.language] for one in types}
    teller = Teller(visit, people, {}, titles, answer["currency"])
    return teller.blocks(answer["result"])


def _drawn(visit: Visit, people: People, answer: Mapping[str, Any]) -> Sequence[Markup]:
    say, language, currency = gettext(visit.language), visit.language, answer["currency"]
    ordered = sorted(answer["result"]["managers"], key=lambda one: one["place_in_books"])
    moves = [
        Move(
            people.name(one["manager_id"]),
            float(Decimal(one["books"]["active"]) / _MILLION),
            float(Decimal(one["laboratory"]["active"]) / _MILLION),
            f"{people.name(one['manager_id'])}: {figures.exact(one['books']['active'], currency, language)}"  # noqa: E501
            f" → {figures.exact(one['laboratory']['active'], currency, language)}",
        )
        for one in ordered[:DRAWN]
    ]
    label = say("Value in work by manager: in the books, and in the laboratory")
    unit = f"{say('m')} {figures.symbol(currency, language)}"
    return [
        dumbbells(moves, label=label, unit=unit, language=language, narrow=narrow)
        for narrow in (False, True)
    ]


def _diagrams(visit: Visit, result: Mapping[str, Any]) -> Sequence[tuple[str, Sequence[Markup]]]:
    """Of both worlds, where enough can be said."""
    say = gettext(visit.language)
    names = {"books": say("In the books"), "laboratory": say("In the laboratory")}
    return [
        (names[name], diagrams(visit, one["bins"]))
        for name, one in result["calibration"].items()
        if one["scores"]
    ]


class Teller(Chances):
    """Tells the result, table by table."""

    def blocks(self, result: Mapping[str, Any]) -> Sequence[Block]:
        return self._managers(result), self._accounts(result["total"]), *self._scores(result)

    def _managers(self, result: Mapping[str, Any]) -> Block:
        say = self.say
        rows = [
            (
                self.manager(one["manager_id"]),
                self.count(one["place_in_books"]), self.count(one["place_in_laboratory"]),
                self.money(one["books"]["active"]), self.money(one["laboratory"]["active"]),
                self.money(one["difference"]["active"], signed=True),
                self.percent(one["progress_in_books"]),
                self.percent(one["progress_in_laboratory"]),
            )
            for one in sorted(result["managers"], key=lambda one: one["place_in_laboratory"])
        ]  # fmt: skip
        columns = [
            Column(say("Manager"), "text"),
            Column(say("Place"), "count"), Column(say("Place in the laboratory"), "count"),
            Column(say("In work"), "money"), Column(say("In work, laboratory"), "money"),
            Column(say("Difference"), "money"),
            Column(say("Progress"), "percent"), Column(say("Progress, laboratory"), "percent"),
        ]  # fmt: skip
        return Block(
            "managers", say("Portfolios and ranking"),
            say("The value in work of each manager, to the last kopeck, and the places by it."),
            "", columns, rows, len(rows),
        )  # fmt: skip

    def _accounts(self, total: Mapping[str, Mapping[str, str]]) -> Block:
        say = self.say
        rows = [
            (
                self.text(say(f"account {name}").capitalize()),
                self.money(total["books"][name]), self.money(total["laboratory"][name]),
                self.money(total["difference"][name], signed=True),
            )
            for name in ("active", "claimed", "suspended", "lost", "won")
        ]  # fmt: skip
        columns = [
            Column(say("Account"), "text"), Column(say("In the books"), "money"),
            Column(say("In the laboratory"), "money"), Column(say("Difference"), "money"),
        ]  # fmt: skip
        return Block(
            "accounts", say("By account"),
            say("Of all who are shown. What was won is the same sum in both, split otherwise."),
            "", columns, rows, len(rows),
        )  # fmt: skip

    def _scores(self, result: Mapping[str, Any]) -> Sequence[Block]:
        """Of both worlds, and of whoever tells the same of every deal; nothing of too few."""
        both = result["calibration"]
        if both["books"]["scores"] is None:
            return ()
        say = self.say
        told = (
            (say("In the books"), both["books"]["scores"]["progress"]),
            (say("In the laboratory"), both["laboratory"]["scores"]["progress"]),
            (say("The same share for every deal: what was won of all"),
             both["books"]["scores"]["base_rate"]),
        )  # fmt: skip
        teller = calibration.Teller(self.visit, self.people, {}, self.kinds, self.currency)
        deals = self.visit.link(calibration.ADDRESS, **asked_of(self.visit, calibration.ASKED))
        return (
            teller.scores(
                told,
                say("Progress some months before the outcome as the chance of winning, under both regulations; less is better. Weights that were chosen by this table fit the past they were chosen by: try them on deals that close later."),  # noqa: E501
            ),
            teller.bins(both["laboratory"]["bins"], f"{deals}#deals"),
        )  # fmt: skip
