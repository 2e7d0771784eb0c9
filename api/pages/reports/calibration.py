"""Are the weights honest? What progress told, against what came, as a drawing and as tables."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.pages import figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.frame import Page, gettext, show
from api.pages.people import People
from api.pages.reports.drawn import Dot, reliability
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep
from api.pages.why import Choice, choice_of

router = APIRouter(route_class=Page, include_in_schema=False)

ADDRESS = "/reports/calibration"
ASKED = (
    "horizon_months", "as_known", "as_of", "known_at", "position", "team_id", "manager_id",
)  # fmt: skip
"""What may stand behind the page's address, as behind that of /v1/reports/calibration."""
UNSAID: Mapping[str, str] = {"horizon_months": "6", "as_known": "then"}
SHOWN = 40
"""Rows of a table on the page; all are taken along."""


@router.get(ADDRESS)
async def calibration(visit: VisitDep) -> Response:
    answer, choice, blocks = await _found(visit)
    return show(
        visit,
        "report_calibration.html",
        answer=answer,
        as_of=date.fromisoformat(answer["as_of"]),
        choice=choice,
        blocks=blocks,
        charts=diagrams(visit, answer["bins"]),
        unsaid=UNSAID,
        shown=SHOWN,
        more=asked_of(visit, ASKED),
    )


@router.get(f"{ADDRESS}/{{file}}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One of the tables, as `bins.excel.csv`."""
    answer, _, blocks = await _found(visit, whole=True)
    return block_file(visit, file, blocks, "calibration", answer, "%")


def asked_of(visit: Visit, names: Sequence[str]) -> dict[str, str]:
    return {name: visit.asked[name] for name in names if visit.asked.get(name)}


Found = tuple[Mapping[str, Any], Choice, Sequence[Block]]


async def _found(visit: Visit, *, whole: bool = False) -> Found:
    """With the first deals, or with the `whole` list of them."""
    more = asked_of(visit, ASKED)
    answer, managers, teams, kinds = await gather(
        visit.ask("/reports/calibration", **more),
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )
    at_point = more | {"position": answer["position"], "known_at": ""}
    deals = await _deals(visit, at_point, whole=whole)
    people = People.of(managers["managers"])
    titles = {one["code"]: one["title"][visit.language] for one in kinds["action_types"]}
    teller = Teller(visit, people, {}, titles, "%")
    choice = choice_of(visit, teams["teams"], managers["managers"], people)
    return answer, choice, teller.blocks(answer, deals)


async def _deals(
    visit: Visit, asked: Mapping[str, object], *, whole: bool
) -> Sequence[Mapping[str, Any]]:
    deals: list[Mapping[str, Any]] = []
    async for page in visit.pages("/reports/calibration/deals", **asked, limit=1_000):
        deals += page.answer["deals"]
        if not whole:
            break
    return deals


def diagrams(visit: Visit, bins: Sequence[Mapping[str, Any]]) -> Sequence[Markup]:
    """For a desk, and for a phone."""
    say, language = gettext(visit.language), visit.language
    dots = [
        Dot(
            float(one["mean"]), 100 * one["won"]["rate"], 100 * one["won"]["interval"]["low"],
            100 * one["won"]["interval"]["high"], not one["holds"],
            f"{one['won']['won']}/{one['won']['cases']}",
            say("Progress %(mean)s: won %(won)s of %(cases)s") % {
                "mean": f"{figures.percent(one['mean'], language)} %",
                "won": one["won"]["won"], "cases": one["won"]["cases"],
            },
        )
        for one in bins
    ]  # fmt: skip
    return [
        reliability(
            dots,
            label=say("Progress against the share won; the table below has the figures"),
            across=say("progress then, percent"),
            up=say("won, percent"),
            honest=say("what was told is what came"),
            language=language,
            narrow=narrow,
        )
        for narrow in (False, True)
    ]


def hundred(chance: float) -> str:
    """As percent with two decimals."""
    return str((Decimal(str(chance)) * 100).quantize(Decimal("0.01")))


class Chances(Cells):
    """Cells for estimates."""

    def chance(self, chance: float | None, *, signed: bool = False) -> Cell:
        """A share, as percent; or a difference of two, in percent points. None: too few to say."""
        if chance is None:
            return Cell(None, self.say("too few"))
        text = hundred(chance)
        shown = figures.percent(text, self.visit.language, signed=signed)
        return Cell(text, f"{shown}{figures.SPACE}%")

    def number(self, number: float) -> Cell:
        text = f"{number:.4f}"
        return Cell(text, figures.on_axis(text, self.visit.language))

    def interval(self, one: Mapping[str, float] | None, *, signed: bool = False) -> Sequence[Cell]:
        if one is None:
            return Cell(None, ""), Cell(None, "")
        return self.chance(one["low"], signed=signed), self.chance(one["high"], signed=signed)


class Teller(Chances):
    """Tells the answer, table by table."""

    def blocks(
        self, answer: Mapping[str, Any], deals: Sequence[Mapping[str, Any]]
    ) -> Sequence[Block]:
        """Of too few deals they are all there is to tell."""
        if answer["scores"] is None:
            return (self._deals(deals),) if deals else ()
        return (
            self._scores(answer["scores"]), self.bins(answer["bins"]),
            self._kinds(answer["action_types"]), self._bias(answer["managers"]), self._deals(deals),
        )  # fmt: skip

    def _columns(self, *first: Column) -> Sequence[Column]:
        say = self.say
        return (
            *first, Column(say("Won"), "count"), Column(say("Deals"), "count"),
            Column(say("Share won"), "percent"), Column(say("at least"), "percent"),
            Column(say("at most"), "percent"),
        )  # fmt: skip

    def _scores(self, scores: Mapping[str, Mapping[str, float]]) -> Block:
        say = self.say
        names = {
            "progress": say("Progress as the chance"),
            "base_rate": say("The same share for every deal: what was won of all"),
            "half": say("Always 50 percent"),
        }
        return self.scores(
            [(names[name], one) for name, one in scores.items()],
            say("Less is better, 0 is perfect. Brier is the mean square of what was told less what came; log loss is the mean surprise. The share of all is known only afterwards: whoever is not better than it says nothing about the single deal."),  # noqa: E501
        )  # fmt: skip

    def scores(self, told: Sequence[tuple[str, Mapping[str, float]]], counts: str) -> Block:
        """Of each who tells."""
        say = self.say
        rows = [
            (self.text(name), self.number(one["brier"]), self.number(one["log_loss"]))
            for name, one in told
        ]
        columns = [
            Column(say("Who tells"), "text"), Column(say("Brier"), "number"),
            Column(say("Log loss"), "number"),
        ]  # fmt: skip
        return Block("scores", say("How well it told"), counts, "", columns, rows, len(rows))

    def bins(self, bins: Sequence[Mapping[str, Any]], deals: str = "#deals") -> Block:
        """Each row leads to the `deals`."""
        say = self.say
        rows = [
            (
                self.text(self._range(one)),
                self.percent(one["mean"]),
                *self._won(one["won"], deals),
                self.text(say("as told") if one["holds"] else say("not as told")),
            )
            for one in bins
        ]
        columns = self._columns(
            Column(say("Progress then"), "text"), Column(say("on average"), "percent"),
        )  # fmt: skip
        return Block(
            "bins", say("What was told, and what came"),
            say("Deals by their progress then, about equally many in each row. Between at least and at most lies the true share in 95 of 100 such rows (Wilson); as told means that the average progress lies there, too."),  # noqa: E501
            "", [*columns, Column(say("Is it so?"), "text")], rows, len(rows),
        )  # fmt: skip

    def _won(self, share: Mapping[str, Any], deals: str) -> Sequence[Cell]:
        """Of so many, which part, and between which two it may be."""
        return (
            self.count(share["won"], deals), self.count(share["cases"], deals),
            self.chance(share["rate"]), *self.interval(share["interval"]),
        )  # fmt: skip

    def _range(self, one: Mapping[str, str]) -> str:
        language = self.visit.language
        least, most = (figures.percent(one[name], language) for name in ("least", "most"))
        return f"{least}–{most}{figures.SPACE}%"

    def _side(self, share: Mapping[str, Any]) -> Sequence[Cell]:
        rate = self.chance(share["rate"]) if share["cases"] else Cell(None, "")
        return self.count(share["won"]), self.count(share["cases"]), rate

    def _kinds(self, kinds: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        rows = [
            (
                Cell(one["action_type"], self.kinds.get(one["action_type"], one["action_type"]),
                     self.visit.link(f"/catalogue/types/{one['action_type']}")),
                *self._side(one["done"]), *self._side(one["others"]),
                self.chance(one["difference"], signed=True),
                *self.interval(one["interval"], signed=True),
            )
            for one in kinds
        ]  # fmt: skip
        columns = [
            Column(say("Action type"), "text"),
            Column(say("Won with it"), "count"), Column(say("Deals with it"), "count"),
            Column(say("Share with it"), "percent"),
            Column(say("Won without it"), "count"), Column(say("Deals without it"), "count"),
            Column(say("Share without it"), "percent"),
            Column(say("Difference"), "percent"), Column(say("at least"), "percent"),
            Column(say("at most"), "percent"),
        ]  # fmt: skip
        return Block(
            "action-types", say("By action type"),
            say("Deals in which the action had been done by then, and those in which it had not. What goes together need not be a cause: a deal that goes well gets more of everything."),  # noqa: E501
            "", columns, rows, len(rows),
        )  # fmt: skip

    def _bias(self, managers: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        rows = [
            (
                self.manager(one["manager_id"]), self.count(one["won"]["won"]),
                self.count(one["won"]["cases"]), self.chance(one["won"]["rate"]),
                self.percent(one["mean"]), self.chance(one["bias"], signed=True),
                self.chance(one["pooled"], signed=True),
                *self.interval(one["interval"], signed=True),
            )
            for one in managers
        ]  # fmt: skip
        columns = [
            Column(say("Manager"), "text"), Column(say("Won"), "count"),
            Column(say("Deals"), "count"), Column(say("Share won"), "percent"),
            Column(say("Progress then"), "percent"), Column(say("Bias"), "percent"),
            Column(say("Bias, pooled"), "percent"), Column(say("at least"), "percent"),
            Column(say("at most"), "percent"),
        ]  # fmt: skip
        return Block(
            "managers", say("By manager"),
            say("Bias is what was won less what progress told: above 0 where it told too little, below 0 where it told too much. Pooled, it is drawn towards that of all, the more the fewer deals there are, so that three lucky deals do not make a pessimist."),  # noqa: E501
            "", columns, rows, len(rows),
        )  # fmt: skip

    def _deals(self, deals: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        rows = [
            (
                self.deal(one), self.text(one["client"]), self.manager(one["manager_id"]),
                self.date(one["stood_on"]), self.percent(one["progress"]),
                self.date(one["closed_on"]),
                self.text(say("won") if one["won"] else say("lost")),
            )
            for one in deals
        ]  # fmt: skip
        columns = [
            Column(say("Deal"), "text"), Column(say("Client"), "text"),
            Column(say("Manager"), "text"), Column(say("Looked at on"), "date"),
            Column(say("Progress then"), "percent"), Column(say("Outcome on"), "date"),
            Column(say("Outcome"), "text"),
        ]  # fmt: skip
        return Block(
            "deals", say("The deals"),
            say("Every deal that is counted here, in the order of opening; by its name to its history."),  # noqa: E501
            "", columns, rows, len(rows),
        )  # fmt: skip
