"""Where the books were written unusually: a table for each question, to look through and to take
along, every row with the way to its event, deal or manager.
"""

from asyncio import gather
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response

from api.pages import figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.forms import plain_number
from api.pages.frame import Page, show
from api.pages.journal import TYPES
from api.pages.people import People, called
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)

ASKED = (
    "from", "to", "as_of", "known_at", "position", "currency", "team_id", "manager_id",
    "late_after", "month_end", "near", "high_weight",
)  # fmt: skip
"""What may stand behind the page's address, as behind that of /v1/audit/integrity."""
SHOWN = 20
"""Rows of each block on the page; all are taken along."""
UNSAID: Mapping[str, str] = {
    "late_after": "2", "month_end": "3", "near": "7", "high_weight": "5.00",
}  # fmt: skip
"""Thresholds as they are when nobody says otherwise."""


@router.get("/log/integrity")
async def integrity(visit: VisitDep) -> Response:
    answer, people, teams, blocks = await _found(visit)
    return show(
        visit,
        "integrity.html",
        answer=answer,
        people=people,
        teams=teams,
        blocks=blocks,
        unsaid=UNSAID,
        shown=SHOWN,
        more={name: visit.asked[name] for name in ASKED if visit.asked.get(name)},
    )


@router.get("/log/integrity/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One block, as `late.excel.csv`."""
    answer, _, _, blocks = await _found(visit)
    point = {**answer, "from": answer["first_day"]}
    return block_file(visit, file, blocks, "integrity", point, answer["currency"])


Found = tuple[Mapping[str, Any], People, Sequence[Mapping[str, Any]], Sequence[Block]]


async def _found(visit: Visit) -> Found:
    asked = {name: visit.asked.get(name, "").strip() for name in ASKED}
    asked["high_weight"] = plain_number(asked["high_weight"])
    answer, managers, teams, kinds = await gather(
        visit.ask("/audit/integrity", **asked, limit=1_000),
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )
    people = People.of(managers["managers"])
    authors = await called(visit, _actors(answer))
    titles = {one["code"]: one["title"][visit.language] for one in kinds["action_types"]}
    teller = Teller(visit, people, authors, titles, answer["currency"])
    return answer, people, teams["teams"], list(teller.blocks(answer))


def _actors(told: object) -> set[str]:
    """Wherever an author is named in the answer."""
    match told:
        case dict():
            here = {told["actor"]} if "actor" in told else set()
            return here.union(*map(_actors, told.values()))
        case list():
            return set[str]().union(*map(_actors, told))
        case _:
            return set()


class Teller(Cells):
    """Tells the answer, block by block."""

    def blocks(self, answer: Mapping[str, Any]) -> Sequence[Block]:
        return (
            self._late(answer["late"]),
            self._month_ends(answer["month_ends"]),
            self._raises(answer["raises"], answer["raises_number"]),
            self._pairs(answer["pairs"]),
            self._repeated(answer["repeated"]),
            self._withdrawn_by(answer["withdrawn_by"]),
            self._withdrawals(answer["withdrawals"], answer["withdrawals_number"]),
            self._reopened(answer["reopened"]),
            self._unconfirmed(answer["unconfirmed"]),
        )

    def _late(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        lags = ("the same day", "1–2 days", "3–5 days", "6–20 days", "over 20 days")
        columns = [
            Column(say("Author"), "text"),
            *(Column(say(one), "count") for one in ("Entries", "Late", *lags)),
            Column(say("Share late"), "percent"),
            Column(say("Median of the late"), "count"),
            Column(say("Most, working days"), "count"),
        ]
        rows = [
            (
                self.author(one["actor"]), self.count(one["entries"]), self.count(one["late"]),
                *map(self.count, one["lags"]), self.percent(one["share"]),
                self.count(one["median"]), self.count(one["most"], at=one["position"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "late", say("Late entries"),
            say("Entries by author and by working days from the day on which something held to that of its recording; confirmations, rejections and withdrawals are no entries here."),  # noqa: E501
            say("Illness, leave, a trip, a letter that came late, a month entered by one person for all."),  # noqa: E501
            columns, rows, len(rows),
        )  # fmt: skip

    def _month_ends(self, told: Mapping[str, Any]) -> Block:
        say = self.say
        even = figures.percent(told["even"], self.visit.language)
        columns = [
            Column(say("Manager"), "text"),
            *(Column(say(one), "count") for one in ("Actions", "Dated so", "Recorded so")),
            *(Column(say(one), "percent") for one in ("Share dated so", "Share recorded so")),
            *(Column(say(one), "money") for one in ("Value", "Value dated", "Value recorded")),
        ]
        rows = [
            (
                self.manager(one["manager_id"]), self.count(one["actions"]),
                self.count(one["actions_dated"]), self.count(one["actions_recorded"]),
                self.percent(one["dated_share"]), self.percent(one["recorded_share"]),
                self.money(one["value"]), self.money(one["value_dated"]),
                self.money(one["value_recorded"]),
            )
            for one in told["managers"]
        ]  # fmt: skip
        counts = say(
            "Positive actions and the value they added, by manager; which part was dated, and which recorded, in the last days of a month. Spread evenly it would be {even} percent."  # noqa: E501
        )
        return Block(
            "month-ends", say("Before the end of a month"), counts.format(even=even),
            say("Plans, budgets and deliveries of clients end with months; so do reports, before which people catch up."),  # noqa: E501
            columns, rows, len(rows),
        )  # fmt: skip

    def _raises(self, lines: Sequence[Mapping[str, Any]], number: int) -> Block:
        say = self.say
        types = {name: say(text) for name, text in TYPES.items()}
        columns = [
            Column(say("When recorded"), "text"),
            *(Column(say(one), "text") for one in ("Deal", "Event", "Author", "Before", "After")),
            Column(say("Action"), "text"),
            Column(say("Weight"), "percent"),
            Column(say("Days to the action"), "count"),
            Column(say("Such actions"), "count"),
        ]
        rows = [
            (
                self.when(one["recorded_at"], one["position"]), self.deal(one),
                self.text(types[one["event"]]), self.author(one["actor"]),
                self.raised(one, "before"), self.raised(one, "after"),
                self.text(self.kinds.get(one["action_type"], one["action_type"])),
                self.percent(one["weight"], at=one["action_position"]),
                self.count(one["days"]), self.count(one["heavy"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "raises", say("Raises near heavy actions"),
            say("Weights and checks that were raised within some days before or after an action of high weight was recorded on the same deal; below 0: the action came first."),  # noqa: E501
            say("The same meeting brings a heavy action and a larger order; a mistake is corrected the next day."),  # noqa: E501
            columns, rows, number,
        )  # fmt: skip

    def _pairs(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        columns = [
            *(Column(say(one), "text") for one in ("Who confirmed", "Whose claims")),
            Column(say("Confirmed"), "count"),
            Column(say("of all that they confirmed"), "percent"),
            Column(say("of all that the manager had confirmed"), "percent"),
            Column(say("The last one, position"), "count"),
        ]
        rows = [
            (
                self.author(one["actor"]), self.manager(one["manager_id"]),
                self.count(one["confirmed"]), self.percent(one["author_share"]),
                self.percent(one["manager_share"]),
                self.count(one["position"], at=one["position"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "pairs", say("Who confirms whom"),
            say("Confirmations by their author and by the manager whose claimed value they took up, and the share of the pair in all of either."),  # noqa: E501
            say("A team has one head, and so one person confirms all of it."),
            columns, rows, len(rows),
        )  # fmt: skip

    def _repeated(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        columns = [
            Column(say("Evidence"), "text"),
            *(Column(say(one), "count") for one in ("Uses", "Deals")),
            *(Column(say(one), "text") for one in ("Deal", "Action", "Manager", "Author")),
            Column(say("When it was"), "date"),
            Column(say("When recorded"), "text"),
        ]
        rows = [
            (
                self.text(one["text"]), self.count(one["number"]), self.count(one["deals"]),
                self.deal(use),
                self.text(self.kinds.get(use["action_type"], use["action_type"])),
                self.text(", ".join(map(self.people.name, use["managers"]))),
                self.author(use["actor"]), self.date(use["effective_on"]),
                self.when(use["recorded_at"], use["position"]),
            )
            for one in lines
            for use in one["uses"]
        ]  # fmt: skip
        return Block(
            "evidence", say("Evidence used more than once"),
            say("Actions that name the same evidence, apart from case, spaces and punctuation, and that were neither withdrawn nor rejected."),  # noqa: E501
            say("One letter may prove two steps; short texts, as a word for the kind of paper, are the same by chance."),  # noqa: E501
            columns, rows, sum(min(one["number"], len(one["uses"])) for one in lines),
        )  # fmt: skip

    def _withdrawn_by(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        columns = [
            Column(say("Author"), "text"),
            Column(say("Withdrawals"), "count"),
            Column(say("Weight in all"), "percent"),
            Column(say("Median, days"), "count"),
            Column(say("Most, days"), "count"),
        ]
        rows = [
            (
                self.author(one["actor"]), self.count(one["withdrawals"], "#withdrawals"),
                self.percent(one["weight"]), self.count(one["median"]),
                self.count(one["most"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "withdrawn-by", say("Withdrawals by author"),
            say("How many actions each author withdrew, of what weight, and how many days after they were recorded."),  # noqa: E501
            say("Whoever enters for a team also corrects for it."),
            columns, rows, len(rows),
        )  # fmt: skip

    def _withdrawals(self, lines: Sequence[Mapping[str, Any]], number: int) -> Block:
        say = self.say
        columns = [
            Column(say("When recorded"), "text"),
            *(Column(say(one), "text") for one in ("Deal", "Action", "Author", "Reason")),
            Column(say("Weight"), "percent"),
            Column(say("Days after the action"), "count"),
        ]
        rows = [
            (
                self.when(one["recorded_at"], one["position"]), self.deal(one),
                self.text(self.kinds.get(one["action_type"], one["action_type"])),
                self.author(one["actor"]), self.text(one["reason"]),
                self.percent(one["weight"]), self.count(one["days"], at=one["action_position"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "withdrawals", say("Withdrawals"),
            say("Every action that was withdrawn, with its weight just before, and how many days after it was recorded."),  # noqa: E501
            say("An action was entered twice, or on the wrong deal, and was taken back."),
            columns, rows, number,
        )  # fmt: skip

    def _reopened(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        columns = [
            *(Column(say(one), "text") for one in ("Month", "Reopened", "Author", "Reason")),
            Column(say("Closed again, position"), "count"),
            Column(say("Recorded meanwhile"), "count"),
            Column(say("by whom"), "text"),
        ]
        rows = [
            (
                Cell(one["period"], one["period"],
                     self.visit.link(f"/periods/{one['period']}/certified")),
                self.when(one["recorded_at"], one["position"]), self.author(one["actor"]),
                self.text(one["reason"]),
                self.count(one["closed_again"], at=one["closed_again"]),
                self.count(one["entries"], at=one["first"]),
                self.text(", ".join(
                    f"{self.authors.get(by['actor'], by['actor'])}: {by['entries']}"
                    for by in one["authors"]
                )),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "reopened", say("Reopened months"),
            say("Months that were reopened, by whom and why, and what was recorded of their days until they were closed again."),  # noqa: E501
            say("A paper came after the closing, and the director let it in."),
            columns, rows, len(rows),
        )  # fmt: skip

    def _unconfirmed(self, lines: Sequence[Mapping[str, Any]]) -> Block:
        say = self.say
        columns = [
            Column(say("Manager"), "text"),
            *(Column(say(one), "money") for one in ("In work", "Claimed")),
            Column(say("Share claimed"), "percent"),
        ]
        rows = [
            (
                self.manager(one["manager_id"]), self.money(one["active"]),
                self.money(one["claimed"]), self.percent(one["share"]),
            )
            for one in lines
        ]  # fmt: skip
        return Block(
            "unconfirmed", say("Unconfirmed value"),
            say("The claimed value of each manager on the day asked about, of what is claimed and in work."),  # noqa: E501
            say("The head is away, or the claims are of this week."),
            columns, rows, len(rows),
        )  # fmt: skip
