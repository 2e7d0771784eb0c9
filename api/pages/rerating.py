"""Re-rate past actions of a type as one batch, seen before it is recorded (design, section 4).

The first form says which actions and how; its answer is a preview, which can be sent as a link. The
second records the changes that the preview showed: those on the deals as they were then, or none.
"""

from asyncio import gather
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.foreseen import (
    Told,
    is_id,
    key_for,
    key_of,
    told,
    value_of,
    written_number,
)
from api.pages.forms import plain_number, read_own_form
from api.pages.frame import Page, gettext, show
from api.pages.people import People, called
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep
from api.problems import Problem
from api.routes import Batch
from api.v1.batches import MOST_BATCH_BYTES, MOST_COMMANDS
from domain.access import Task
from domain.errors import NotFound
from domain.values import Account, hundredths, value_text

router = APIRouter(route_class=Page, include_in_schema=False)

Answer = Mapping[str, Any]
Form = Mapping[str, str]
CHOICES = ("from", "to", "team_id", "manager_id", "deals", "weight", "since", "effective_on")
"""What the first form asks, as it stands in the address."""
FIELDS = (*CHOICES, "reason")
PAGE = 1_000
SHOWN = 200
"""Actions that are listed one by one at most."""
EXAMPLES = 5
"""Refused actions that are named for each reason at most."""
_UNSAID = "-"
"""Stands for the reason until it is typed; it changes no figure."""


@dataclass(frozen=True, slots=True)
class Change:
    """A weight to be changed, on the deal as it was at `version`."""

    deal_id: str
    action_id: str
    effective_on: str
    version: int

    def __str__(self) -> str:
        return f"{self.deal_id} {self.action_id} {self.effective_on} {self.version}"


def read_changes(text: str) -> Sequence[Change]:
    """As the second form has them. Raises Problem."""
    changes, lines = list[Change](), text.split(";")
    if len(lines) > MOST_COMMANDS:
        raise Problem("validation", errors=(("changes", "invalid", {}),))
    for line in lines:
        match line.split(" "):
            case [deal, action, day, version] if (
                is_id(deal) and is_id(action) and version.isdecimal() and len(version) < 10
            ):
                changes.append(Change(deal, action, day, int(version)))
            case _:
                raise Problem("validation", errors=(("changes", "invalid", {}),))
    return changes


def batch_of(changes: Sequence[Change], weight: str, reason: str) -> Batch:
    return tuple(
        (
            f"/v1/deals/{change.deal_id}/actions/{change.action_id}/weight-changes",
            {"weight": weight, "effective_on": change.effective_on, "reason": reason},
        )
        for change in changes
    )


@dataclass(frozen=True, slots=True)
class Row:
    """What one manager has in one account, as decimal text; `account` None: in none of theirs does
    anything change today.
    """

    manager_id: str
    account: str | None
    before: str = "0.00"
    change: str = "0.00"
    after: str = "0.00"


@dataclass(frozen=True, slots=True)
class Table:
    """By manager and account, what changes in one currency, the greatest change first; `totals` by
    account.
    """

    currency: str
    rows: Sequence[Row]
    totals: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Obstructed:
    """Actions that cannot be re-rated by one rule, each with its problem."""

    refused: Sequence[tuple[Answer, Answer]]

    @property
    def why(self) -> str:
        """All that is said where it is the same for all; else what it is called."""
        details = {problem["detail"] for _, problem in self.refused}
        return str(self.refused[0][1]["detail" if len(details) == 1 else "title"])

    @property
    def example(self) -> str:
        """What is said of the first, where that is more."""
        detail = str(self.refused[0][1]["detail"])
        return "" if detail == self.why else detail


@dataclass(frozen=True)
class Preview:
    """`actions` are those of which it was asked, in the order of the batch; `found` counts all that
    were chosen: one batch may not have room for them.
    """

    answer: Answer
    actions: Sequence[Answer]
    days: Sequence[str]
    weight: str
    found: int

    @cached_property
    def refused(self) -> Mapping[int, Answer]:
        return {one["number"]: one for one in self.answer["refused"]}

    @cached_property
    def idle(self) -> frozenset[int]:
        """Those that weigh so already, on every date."""
        return frozenset(
            number
            for number in self.answer["without_effect"]
            if hundredths(self.actions[number]["weight"]) == hundredths(self.weight)
        )

    @cached_property
    def changed(self) -> Sequence[Answer]:
        return [self.actions[number] for number in self._numbers]

    @property
    def deals(self) -> int:
        return len({one["deal_id"] for one in self.changed})

    @cached_property
    def changes(self) -> str:
        """For the second form."""
        versions = {one["deal_id"]: one["version"] for one in self.answer["deals"]}
        changes = []
        for number in self._numbers:
            action = self.actions[number]
            deal = action["deal_id"]
            changes.append(Change(deal, action["action_id"], self.days[number], versions[deal]))
        return ";".join(map(str, changes))

    @property
    def _numbers(self) -> Sequence[int]:
        left_out = self.refused.keys() | self.idle
        return [number for number in range(len(self.actions)) if number not in left_out]

    @cached_property
    def obstructed(self) -> Sequence[Obstructed]:
        """By rule, the most frequent first."""
        rules: dict[tuple[str, str], list[tuple[Answer, Answer]]] = {}
        for number, problem in self.refused.items():
            rule = problem["type"], problem.get("rule", "")
            rules.setdefault(rule, []).append((self.actions[number], problem))
        return sorted(map(Obstructed, rules.values()), key=lambda one: -len(one.refused))

    @cached_property
    def tables(self) -> Sequence[Table]:
        return [
            table_of(one["currency"], one["managers"], zeros=True)
            for one in self.answer["currencies"]
        ]


def table_of(currency: str, managers: Sequence[Answer], *, zeros: bool) -> Table:
    """From lines with `before` and `after`; with `zeros` also whose today does not change."""
    rows: list[Row] = []
    most: dict[str, int] = {}
    for line in managers:
        who, before, after = line["manager_id"], line["before"], line["after"]
        changes = {one: value_of(after[one]) - value_of(before[one]) for one in Account}
        most[who] = max(map(abs, changes.values()))
        rows += [
            Row(who, account, before[account], value_text(change), after[account])
            for account, change in changes.items()
            if change
        ]
        if zeros and not most[who]:
            rows.append(Row(who, None))
    rows.sort(key=lambda row: (-most[row.manager_id], row.manager_id))
    moved = [one for one in Account if any(row.account == one for row in rows)]
    return Table(currency, rows, [_total(account, rows) for account in moved])


def _total(account: Account, rows: Sequence[Row]) -> Row:
    def summed(name: str) -> str:
        own = (row for row in rows if row.account == account)
        return value_text(sum(value_of(getattr(row, name)) for row in own))

    return Row("", account, summed("before"), summed("change"), summed("after"))


@router.get("/catalogue/types/{code}/rerating")
async def chosen(code: str, visit: VisitDep) -> Response:
    return await _page(visit, code, visit.asked)


@router.get("/catalogue/types/{code}/rerating.{kind}")
async def exported(code: str, kind: str, visit: VisitDep) -> Response:
    visit.grant.reach(Task.REGULATE)
    one, people, _ = await _known(visit, code)
    preview = await _preview(visit, code, _given(visit, one, visit.asked))
    say = gettext(visit.language)
    columns = [
        Column(say("Manager"), "text"),
        Column(say("Currency"), "text"),
        Column(say("Account"), "text"),
        Column(say("Now"), "money"),
        Column(say("Change"), "money"),
        Column(say("Will be"), "money"),
    ]
    rows = [
        (
            people.name(row.manager_id), table.currency,
            say(f"account {row.account}") if row.account else "",
            row.before, row.change, row.after,
        )
        for table in preview.tables
        for row in table.rows
    ]  # fmt: skip
    currencies = ", ".join(table.currency for table in preview.tables)
    return sheet(visit, kind, Sheet("rerating", columns, rows, preview.answer, currencies))


@router.post("/catalogue/types/{code}/rerating")
async def recorded(code: str, visit: VisitDep) -> Response:
    form = await read_own_form(visit, MOST_BATCH_BYTES)
    visit.grant.reach(Task.REGULATE)
    key = key_of(form)
    try:
        changes = read_changes(form.get("changes", ""))
        batch = batch_of(changes, plain_number(form.get("weight", "")), form.get("reason", ""))
        numbers = {change.deal_id: n for n, change in reversed([*enumerate(changes)])}
        versions = {number: changes[number].version for number in numbers.values()}
        answers = await visit.command_all(batch, key, versions)
    except Exception as error:  # noqa: BLE001 - `told` raises again what is no refusal
        return await _page(visit, code, form, _told(visit, error))
    first, last = answers[0].position, answers[-1].position
    path = f"/catalogue/types/{code}/rerated"
    return RedirectResponse(visit.link(path, as_of=None, first=first, last=last), 303)


async def _page(visit: Visit, code: str, form: Form, refused: Told | None = None) -> Response:
    """Of changes of which it is not known whether they were recorded there is no preview: they are
    to be sent once more as they are.
    """
    visit.grant.reach(Task.REGULATE)
    one, people, teams = await _known(visit, code)
    given = _given(visit, one, form)
    preview, why_none = None, None
    unknown = refused is not None and refused.status == 503
    if "weight" in form and not unknown:
        try:
            preview = await _preview(visit, code, given)
        except Exception as error:  # noqa: BLE001 - as above
            why_none = _told(visit, error)
    page = show(
        visit,
        "rerating.html",
        one=one,
        people=people,
        teams=teams,
        given=given,
        choices={name: given[name] for name in CHOICES},
        preview=preview,
        unknown=form.get("changes", "") if unknown else "",
        refused=refused,
        why_none=why_none,
        faults={**(why_none.faults if why_none else {}), **(refused.faults if refused else {})},
        key=key_for(form, refused),
        most=MOST_COMMANDS,
        shown=SHOWN,
        examples=EXAMPLES,
    )
    page.status_code = refused.status if refused else why_none.status if why_none else 200
    return page


async def _known(visit: Visit, code: str) -> tuple[Answer, People, Sequence[Answer]]:
    """The action type as it is today, the managers and the teams. Raises NotFound."""
    kinds, managers, teams = await gather(
        visit.ask("/action-types", limit=PAGE),
        visit.ask("/managers", limit=PAGE),
        visit.ask("/teams", limit=PAGE),
    )
    one = next((kind for kind in kinds["action_types"] if kind["code"] == code), None)
    if one is None:
        raise NotFound("action-type", code)
    return one, People.of(managers["managers"]), teams["teams"]


def _given(visit: Visit, one: Answer, form: Form) -> Mapping[str, str]:
    """What stands in the fields: the weight in force and today, unless something else is said."""
    weight = written_number(one["weight"], visit.language) if one["weight"] else ""
    first = {
        "weight": weight,
        "effective_on": str(visit.today),
        "since": "day",
        "deals": "underway",
    }
    return {name: form.get(name, first.get(name, "")).strip() for name in FIELDS}


async def _preview(visit: Visit, code: str, given: Mapping[str, str]) -> Preview:
    """Raises what is a refusal."""
    weight = plain_number(given["weight"])
    if not weight:
        raise Problem("validation", errors=(("weight", "missing", {}),))
    found = await _actions(visit, code, given)
    found.sort(key=lambda one: _is_likely(one, weight), reverse=True)
    actions = found[:MOST_COMMANDS]
    own = given["since"] == "own"
    days = [str(one["effective_on"]) if own else given["effective_on"] for one in actions]
    changes = [
        Change(one["deal_id"], one["action_id"], day, 0)
        for one, day in zip(actions, days, strict=True)
    ]
    batch = batch_of(changes, weight, _UNSAID)
    answer = await visit.foresee_all(batch) if batch else _NOTHING
    return Preview(answer, actions, days, weight, len(found))


_NOTHING: Answer = {"refused": (), "without_effect": (), "deals": (), "currencies": ()}


def _is_likely(action: Answer, weight: str) -> bool:
    """To be changed: those go first where there are more than a batch takes."""
    try:
        same = Decimal(action["weight"]) == Decimal(weight)
    except ArithmeticError:
        same = False
    return action["state"] in ("counted", "claimed") and not same


async def _actions(visit: Visit, code: str, given: Mapping[str, str]) -> list[Answer]:
    """All that are chosen, also those that can be seen not to change, in the order of recording."""
    asked = {name: given[name] for name in ("from", "to", "team_id", "manager_id")}
    statuses = ("open", "suspended") if given["deals"] != "all" else (None,)
    lists = await gather(*(_listed(visit, code, asked, status) for status in statuses))
    return sorted((one for some in lists for one in some), key=lambda one: int(one["position"]))


async def _listed(
    visit: Visit, code: str, asked: Mapping[str, str], status: str | None
) -> list[Answer]:
    pages = visit.pages(
        "/actions", state="all", action_type=code, deal_status=status, limit=PAGE, **asked
    )
    return [action async for page in pages for action in page.answer["actions"]]


def _told(visit: Visit, error: Exception) -> Told:
    """Of a batch the first refusal stands for all: what differs by action the preview tells."""
    if isinstance(error, Problem) and error.refused:
        error = next(iter(error.refused.values()))
    return told(visit, error, FIELDS)


@router.get("/catalogue/types/{code}/rerated")
async def rerated(code: str, visit: VisitDep) -> Response:
    """What was recorded, read from the books on both sides of it."""
    visit.grant.reach(Task.AUDIT)
    first, last = _span(visit)
    one, people, _ = await _known(visit, code)
    before, after, log = await gather(
        visit.ask("/portfolios", position=first - 1),
        visit.ask("/portfolios", position=last),
        visit.ask("/events", after=first - 1, limit=last - first + 1),
    )
    events = log["events"]
    if len(events) != last - first + 1 or {one["type"] for one in events} != {"WeightChanged"}:
        raise Problem("not-found", what="address")
    days = [date.fromisoformat(event["effective_on"]) for event in events]
    actor = events[0]["actor"]
    names = await called(visit, [actor])
    tables = [
        table_of(currency, lines, zeros=False) for currency, lines in _beside(before, after).items()
    ]
    return show(
        visit,
        "rerated.html",
        one=one,
        people=people,
        tables=[table for table in tables if table.rows],
        events=events,
        deals=len({event["deal_id"] for event in events}),
        weights=Counter(event["data"]["weight"] for event in events),
        author=names.get(actor, actor),
        since=min(days),
        until=max(days),
        day_before=min(days) - timedelta(days=1),
        first=first,
        last=last,
        answer=after,
    )


def _span(visit: Visit) -> tuple[int, int]:
    """The first and the last position. Raises Problem for what no batch can be."""
    given = [visit.asked.get(name, "") for name in ("first", "last")]
    if not all(one.isdecimal() and one.isascii() and len(one) < 18 for one in given):
        raise Problem("not-found", what="address")
    first, last = map(int, given)
    if not 1 <= first <= last < first + MOST_COMMANDS:
        raise Problem("not-found", what="address")
    return first, last


def _beside(before: Answer, after: Answer) -> Mapping[str, Sequence[Answer]]:
    """By currency, everybody's values in both answers."""
    known = {
        (one["currency"], line["manager_id"]): line
        for one in before["currencies"]
        for line in one["managers"]
    }
    nothing = dict.fromkeys(Account, "0.00")
    return {
        one["currency"]: [
            {
                "manager_id": line["manager_id"],
                "before": known.get((one["currency"], line["manager_id"]), nothing),
                "after": line,
            }
            for line in one["managers"]
        ]
        for one in after["currencies"]
    }
