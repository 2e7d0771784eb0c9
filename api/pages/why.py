"""Why a portfolio changed: between two dates, or what is known of one date at two moments."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from api.asking import Desk
from api.pages import figures
from api.pages.causes import FEW, MANY, MOVED, RESTATED, Group, groups_of, waterfall_of
from api.pages.entries import Entry, Teller
from api.pages.frame import Page, gettext, show
from api.pages.people import People
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, end_of_month_before, parsed_day
from api.pages.waterfall import Bar
from api.v1.portfolios import counted
from domain.access import MATRIX, Reach, Task
from domain.errors import Invalid
from domain.values import Account, ManagerId
from projections.lines import Line, Told, lines_from_ledger, told
from projections.point import Knowledge

router = APIRouter(route_class=Page, include_in_schema=False)

ALL = 100_000
"""Events in a file at most."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom one can ask about: nobody but oneself, the team, or everybody."""

    teams: Sequence[Mapping[str, Any]]
    managers: Sequence[Mapping[str, Any]]
    people: People

    def about(self, visit: Visit) -> str:
        """Whose portfolio it is, as far as it was chosen."""
        names = {one["team_id"]: one["name"] for one in self.teams}
        names |= self.people.names
        chosen = (visit.asked.get("manager_id"), visit.asked.get("team_id"))
        return next((str(names[one]) for one in chosen if one in names), "")


@router.get("/movement")
async def movement(visit: VisitDep) -> Response:
    first, last = _dates(visit)
    answer, choice, teller = await _asked(visit, "movement", **{"from": first, "to": last})
    opened = visit.asked.get("all")
    most = MANY if opened else FEW
    account = _account(visit)
    entries: Sequence[Entry] = ()
    numbers: Mapping[str, int] = {}
    if account is Account.ACTIVE:
        lines, numbers, known = await visit.look(lambda at: _lines(at, visit, answer, first, most))
        entries = teller.entries(lines, known)
    groups = groups_of(MOVED, answer["lines"], entries, numbers, opened, account=account)
    days = date.fromisoformat(first), date.fromisoformat(last)
    total = _total_of(visit)
    fall = waterfall_of(
        visit,
        groups,
        Bar(
            figures.long_date(days[0], visit.language), "", answer["opening"][account],
            visit.link(total, as_of=first),
        ),
        Bar(
            figures.long_date(days[1], visit.language), "", answer["closing"][account],
            visit.link(total, as_of=last),
        ),
    )  # fmt: skip
    return show(
        visit, "why.html", is_restated=False, answer=answer, fall=fall, groups=groups,
        choice=choice, may_audit=visit.may(Task.AUDIT), first=days[0], last=days[1],
        about=choice.about(visit), account=account,
        asked_for={"from": first, "to": last},
    )  # fmt: skip


@router.get("/movement.{kind}")
async def movement_taken_along(kind: str, visit: VisitDep) -> Response:
    first, last = _dates(visit)
    answer, choice, teller = await _asked(visit, "movement", **{"from": first, "to": last})
    lines, numbers, known = await visit.look(lambda at: _lines(at, visit, answer, first, ALL))
    if sum(numbers.values()) > len(lines):
        raise Invalid("from", "too-many-events", most=ALL)
    entries = teller.entries(lines, known)
    groups = groups_of(MOVED, answer["lines"], entries, numbers, "", most=ALL)
    return _taken_along(visit, kind, "movement", {**answer, "from": first}, groups, choice)


@router.get("/restatement")
async def restatement(visit: VisitDep) -> Response:
    asked = _knowledge(visit)
    answer, choice, teller = await _asked(visit, "restatement", **asked)
    account = _account(visit)
    groups = await _restated(visit, answer, teller, FEW, account)
    as_of = date.fromisoformat(answer["as_of"])
    earlier = figures.long_date(_day(answer["from_known_at"]), visit.language)
    later = figures.long_date(_day(answer["known_at"]), visit.language)
    say, total = gettext(visit.language), _total_of(visit)
    fall = waterfall_of(
        visit,
        groups,
        Bar(
            say("Known on %(day)s") % {"day": earlier}, "", answer["earlier"][account],
            visit.link(total, as_of=as_of, known_at=answer["from_known_at"]),
        ),
        Bar(
            say("Known on %(day)s") % {"day": later}
            if visit.asked.get("known_at") or asked.get("to_position")
            else say("Known now"), "", answer["later"][account],
            visit.link(total, as_of=as_of),
        ),
    )  # fmt: skip
    return show(
        visit, "why.html", is_restated=True, answer=answer, fall=fall, groups=groups,
        choice=choice, may_audit=visit.may(Task.AUDIT), first=_day(answer["from_known_at"]),
        last=_day(answer["known_at"]), about=choice.about(visit), account=account,
        asked_for=asked, as_of=as_of,
    )  # fmt: skip


@router.get("/restatement.{kind}")
async def restatement_taken_along(kind: str, visit: VisitDep) -> Response:
    answer, choice, teller = await _asked(visit, "restatement", **_knowledge(visit))
    groups = await _restated(visit, answer, teller, ALL, Account.ACTIVE)
    return _taken_along(visit, kind, "restatement", answer, groups, choice)


def _dates(visit: Visit) -> tuple[str, str]:
    """From the end of the month before to the date of the page one came from."""
    last = visit.asked.get("to") or visit.asked.get("as_of") or str(visit.today)
    before = end_of_month_before(parsed_day(last, visit.today))
    compared = parsed_day(visit.asked.get("compare"), before)
    otherwise = min(before, compared) if str(compared) >= last else compared
    return visit.asked.get("from") or str(otherwise), last


def _account(visit: Visit) -> Account:
    """The one that is looked at: the portfolio, unless another is chosen."""
    asked = visit.asked.get("account", "")
    return Account(asked) if asked in set(Account) else Account.ACTIVE


def _knowledge(visit: Visit) -> dict[str, str | None]:
    """The last full month, as known on its next day and by what the page knows; a position in the
    log instead of that day, where one is given.
    """
    as_of = visit.asked.get("as_of") or str(end_of_month_before(visit.today))
    if position := visit.asked.get("from_position"):
        to_position = None if visit.asked.get("known_at") else visit.asked.get("to_position")
        return {"as_of": as_of, "from_position": position, "to_position": to_position}
    day = parsed_day(as_of, visit.today)
    from_known_at = str(min(day + timedelta(days=1), visit.today))
    return {"as_of": as_of, "from_known_at": visit.asked.get("from_known_at") or from_known_at}


def _day(instant: str) -> date:
    return datetime.fromisoformat(instant).date()


def _total_of(visit: Visit) -> str:
    """The page of the portfolio that it is about."""
    manager = visit.asked.get("manager_id")
    return f"/managers/{manager}" if manager else "/"


async def _asked(
    visit: Visit, question: str, **asked: str | None
) -> tuple[Mapping[str, Any], Choice, Teller]:
    """The answer comes first: it refuses what cannot be asked."""
    names = ("manager_id", "team_id", "currency")
    about = {name: visit.asked[name] for name in names if visit.asked.get(name)}
    knowledge = "to_known_at" if question == "restatement" else "known_at"
    known_at = visit.asked.get("known_at") or None
    answer, teams, people, kinds = await gather(
        visit.ask(f"/portfolios/{question}", **asked, **about, **{knowledge: known_at}),
        visit.ask("/teams", limit=1_000),
        visit.ask("/managers", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )
    everybody = People.of(people["managers"])
    choice = choice_of(visit, teams["teams"], people["managers"], everybody)
    return answer, choice, Teller(visit, everybody, kinds["action_types"])


def choice_of(
    visit: Visit,
    teams: Sequence[Mapping[str, Any]],
    managers: Sequence[Mapping[str, Any]],
    everybody: People,
) -> Choice:
    """Of the teams and managers that there are; from /v1/teams and /v1/managers."""
    reach = MATRIX[Task.SEE][visit.grant.role]
    team = visit.asked.get("team_id")
    if reach is Reach.OWN:
        return Choice((), (), everybody)
    if reach is Reach.TEAM:
        team, teams = str(visit.grant.team_id), ()
    chosen = [one for one in managers if not team or one["team_id"] == team]
    return Choice(teams, chosen, everybody)


def _lines(
    at: Desk, visit: Visit, answer: Mapping[str, Any], first: str, most: int
) -> tuple[list[Line], Mapping[str, int], Mapping[int, Told]]:
    """The events behind an answer about a movement, by the same rights and at the same position."""
    start, team = date.fromisoformat(first), visit.asked.get("team_id")
    knowledge = Knowledge(position=answer["position"])
    point = at.between(start, date.fromisoformat(answer["as_of"]), knowledge)
    manager = visit.asked.get("manager_id") or None
    who = counted(at, point, manager, UUID(team) if team else None, start)
    lines, numbers = at.read(
        point.position,
        lambda cursor: lines_from_ledger(
            cursor, start, point.as_of, point.position, answer["currency"], who, most
        ),
    )
    return lines, numbers, told(at.cursor, [line.position for line in lines])


async def _restated(
    visit: Visit, answer: Mapping[str, Any], teller: Teller, most: int, account: Account
) -> list[Group]:
    """The answer has every line; what they are about is read for those that are shown."""
    lines = [line for line in _lines_by_position(answer["lines"], account) if line.active]
    lines.sort(key=lambda line: (-abs(line.active), line.position))
    numbers = dict[str, int]()
    for line in lines:
        numbers[line.cause] = numbers.get(line.cause, 0) + 1
    opened = visit.asked.get("all")
    shown, taken = list[Line](), dict[str, int]()
    for line in lines:
        taken[line.cause] = taken.get(line.cause, 0) + 1
        if taken[line.cause] <= (MANY if opened and most == FEW else most):
            shown.append(line)
    known = await visit.look(lambda at: told(at.cursor, [line.position for line in shown]))
    entries = teller.entries(shown, known, late_after=0)
    said = [{"cause": line["event"], **line} for line in answer["lines"]]
    return groups_of(RESTATED, said, entries, numbers, opened, most=most, account=account)


def _lines_by_position(lines: Sequence[Mapping[str, Any]], account: Account) -> list[Line]:
    """With what each changed in that account."""
    found = dict[int, Line]()
    for one in lines:
        position, amount = one["position"], int(Decimal(one["amount"]).scaleb(6))
        known = found.get(position) or Line(
            one["event"], position, date.fromisoformat(one["effective_on"]), 0, 0, ()
        )
        if one["account"] == account:
            manager = ManagerId(one["manager_id"])
            known = replace(
                known, active=known.active + amount, managers=(*known.managers, manager)
            )
        found[position] = known
    return [*found.values()]


def _taken_along(
    visit: Visit, kind: str, name: str, answer: Mapping[str, Any], groups: Sequence[Group],
    choice: Choice,
) -> Response:  # fmt: skip
    say, names = gettext(visit.language), choice.people.names
    columns = [
        *(Column(say(one), "text") for one in ("Cause", "Deal", "Client", "What", "Who")),
        Column(say("When it was"), "date"),
        Column(say("When recorded"), "text"),
        Column(say("Author"), "text"),
        Column(say("Position"), "count"),
        Column(say("Amount"), "money"),
    ]
    rows = [
        (
            say(group.cause.title), entry.title, entry.client,
            f"{entry.prefix} {entry.what}".strip(),
            ", ".join(names.get(one, one) for one in entry.managers),
            str(entry.effective_on), entry.recorded_at.isoformat(timespec="seconds"),
            entry.author, entry.position, entry.amount,
        )
        for group in groups
        for entry in group.entries
    ]  # fmt: skip
    return sheet(visit, kind, Sheet(name, columns, rows, answer, answer["currency"]))
