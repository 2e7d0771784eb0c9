"""One deal: how far it is and whose that is, its history on both times, and each action with what
it adds.

All of it comes from two answers: the deal at the point, and its events with what each changed.
"""

from asyncio import gather
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.pages import deal_charts, figures
from api.pages.charts import Band
from api.pages.deal_charts import Check, History, Mark, Share, Words
from api.pages.frame import Page, gettext, ngettext, show
from api.pages.people import People, called
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, parsed_day
from domain.access import MATRIX, Reach, Task
from domain.errors import NotFound
from domain.values import value_text

router = APIRouter(route_class=Page, include_in_schema=False)

LATE_DAYS = 7
"""An entry that was recorded more days later than this is late."""
_WHOLE = Decimal(100)

EVENTS: Mapping[str, tuple[str, str]] = {
    "DealOpened": ("Deal opened", "opened"),
    "ActionPerformed": ("Action", ""),
    "ActionConfirmed": ("Action confirmed", ""),
    "ActionRejected": ("Claim rejected", "rejected"),
    "WeightChanged": ("Weight changed", "weight"),
    "ActionWithdrawn": ("Action withdrawn", "withdrawn"),
    "PotentialCheckRevised": ("Check revised", "check"),
    "ExpectedCloseRevised": ("Expected close revised", "close"),
    "DealHandedOver": ("Deal handed over", "handover"),
    "DealSuspended": ("Deal suspended", "suspended"),
    "DealResumed": ("Deal resumed", "resumed"),
    "DealWon": ("Deal won", "won"),
    "DealLost": ("Deal lost", "lost"),
    "DealReopened": ("Deal reopened", "reopened"),
}
"""What an event is called, and what stands over it on the axis."""
ACCOUNTS: Mapping[str, str] = {
    "open": "active",
    "suspended": "suspended",
    "won": "won",
    "lost": "lost",
}
"""Where the value of a deal stands, by its status."""
_STATUS_EVENTS = (
    "DealOpened",
    "DealSuspended",
    "DealResumed",
    "DealWon",
    "DealLost",
    "DealReopened",
)
_SETTLED_BY: Mapping[str, str] = {
    "counted": "ActionConfirmed",
    "withdrawn": "ActionWithdrawn",
    "rejected": "ActionRejected",
}
_COMMANDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "open": (
        ("check-revisions", "Revise the check"),
        ("handovers", "Hand over"),
        ("expected-close-revisions", "Revise the expected close"),
        ("weight-changes", "Change a weight"),
        ("withdrawal", "Withdraw an action"),
        ("suspension", "Suspend"),
        ("win", "Mark as won"),
        ("loss", "Mark as lost"),
    ),
    "suspended": (
        ("resumption", "Resume"),
        ("check-revisions", "Revise the check"),
        ("handovers", "Hand over"),
        ("expected-close-revisions", "Revise the expected close"),
        ("weight-changes", "Change a weight"),
        ("withdrawal", "Withdraw an action"),
        ("win", "Mark as won"),
        ("loss", "Mark as lost"),
    ),
    "won": (("reopening", "Reopen"),),
    "lost": (("reopening", "Reopen"),),
}


@dataclass(frozen=True, slots=True)
class Performer:
    """Whose line of an action it is now; `handed_by` who did it, where that was somebody else."""

    manager_id: str
    weight: str
    handed_by: str


@dataclass(frozen=True, slots=True)
class Act:
    """An action: `number` in book order, `event` that recorded it, `settled` that confirmed, took
    back or rejected it; `adds` in money at the deal's check, `taken` in percent by a setback.
    Nobody is offered to confirm an action of their own.
    """

    number: int
    said: Mapping[str, Any]
    event: Mapping[str, Any]
    settled: Mapping[str, Any] | None
    title: str
    performers: Sequence[Performer]
    adds: str
    taken: Decimal
    may_confirm: bool
    may_take_back: bool

    @property
    def state(self) -> str:
        return str(self.said["state"])

    @property
    def is_setback(self) -> bool:
        return Decimal(self.said["weight"]) < 0


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with credit in the deal, and the money that it is where the deal's value stands."""

    manager_id: str
    credit: Decimal
    amount: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A potential check, and the change from the one before; None of the first."""

    event: Mapping[str, Any]
    amount: str
    change: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows."""

    as_of: date
    deal: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    acts: Sequence[Act]
    holders: Sequence[Holder]
    revisions: Sequence[Revision]
    people: People
    authors: Mapping[str, str]

    @property
    def currency(self) -> str:
        return str(self.deal["potential_check"]["currency"])

    @property
    def value(self) -> str:
        """Of everybody's credit, in the account in which it stands."""
        return _added(self.events, ACCOUNTS[self.deal["status"]])

    @property
    def adds(self) -> str:
        """All that the actions add, at the check."""
        return _worth(self.deal["progress"], self.deal["potential_check"]["amount"])

    @property
    def claimed(self) -> Decimal:
        """What can still be confirmed: nothing while the deal is not open."""
        if self.deal["status"] != "open":
            return Decimal()
        claims = (
            Decimal(act.said["weight"]) for act in self.acts if act.said["state"] == "claimed"
        )
        return sum((weight for weight in claims if weight > 0), Decimal())

    @property
    def fits(self) -> Decimal:
        """As much of what is claimed as there is room for."""
        return min(self.claimed, _WHOLE - Decimal(self.deal["progress"]))

    @property
    def over(self) -> Decimal:
        return self.claimed - self.fits

    @property
    def status_event(self) -> Mapping[str, Any]:
        return next(one for one in reversed(self.events) if one["type"] in _STATUS_EVENTS)

    @property
    def handover(self) -> Mapping[str, Any] | None:
        """The last one."""
        return next((one for one in reversed(self.events) if one["type"] == "DealHandedOver"), None)

    @property
    def owner_before(self) -> str | None:
        owners = [
            one["data"].get("to_manager_id") or one["data"]["manager_id"]
            for one in self.events
            if one["type"] in {"DealOpened", "DealHandedOver"}
        ]
        return owners[-2] if len(owners) > 1 else None

    @property
    def days_to_close(self) -> int | None:
        close = self.deal["expected_close_on"]
        return None if close is None else (date.fromisoformat(close) - self.as_of).days

    @property
    def numbers(self) -> Mapping[str, Act]:
        return {act.said["action_id"]: act for act in self.acts}


@router.get("/deals/{deal_id}")
async def deal(deal_id: UUID, visit: VisitDep) -> Response:
    try:
        found = await _found(visit, deal_id)
    except NotFound:
        return await _not_yet(visit, deal_id)
    backwards = visit.asked.get("order") != "asc"
    return show(
        visit,
        "deal.html",
        found=found,
        acts=found.acts[::-1] if backwards else found.acts,
        backwards=backwards,
        bars=_bars(visit, found),
        lanes=deal_charts.history(_history(visit, found), _words(visit, found)),
        commands=_COMMANDS[found.deal["status"]]
        if _judges(visit, found.people, found.deal)
        else (),
        event_names=EVENTS,
        late_days=LATE_DAYS,
        sees_log=visit.may(Task.AUDIT),
    )


@router.get("/deals/{deal_id}/actions.{kind}")
async def exported(deal_id: UUID, kind: str, visit: VisitDep) -> Response:
    found = await _found(visit, deal_id)
    say = gettext(visit.language)
    columns = [
        Column("№", "count"),
        Column(say("When it was"), "date"),
        Column(say("Recorded at"), "text"),
        Column(say("Days later"), "count"),
        Column(say("Action"), "text"),
        Column(say("Performers"), "text"),
        Column(f"{say('Weight')}, %", "percent"),
        Column(f"{say('Credit')}, %", "percent"),
        Column(say("Adds"), "money"),
        Column(say("Evidence"), "text"),
        Column(say("State"), "text"),
        Column(say("Comment"), "text"),
    ]
    rows = [
        (
            act.number,
            act.said["effective_on"],
            act.said["recorded_at"],
            act.said["late_days"],
            act.title,
            "; ".join(
                f"{found.people.name(one.manager_id)} {one.weight}" for one in act.performers
            ),
            act.said["weight"],
            act.said["credit"],
            act.adds,
            act.said["evidence"],
            say(act.state),
            act.said["comment"],
        )
        for act in found.acts
    ]
    return sheet(visit, kind, Sheet("deal-actions", columns, rows, found.deal, found.currency))


async def _found(visit: Visit, deal_id: UUID) -> Found:
    point = {name: visit.asked.get(name) for name in ("as_of", "known_at")}
    deal, events, managers, kinds = await gather(
        visit.ask(f"/deals/{deal_id}", **point),
        visit.ask(f"/deals/{deal_id}/events", **point),
        visit.ask("/managers", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )
    happened = events["events"]
    people = People.of(managers["managers"])
    titles = {kind["code"]: kind["title"][visit.language] for kind in kinds["action_types"]}
    return Found(
        parsed_day(visit.asked.get("as_of"), visit.today),
        deal,
        happened,
        _acts(visit, deal, happened, people, titles),
        _holders(deal, happened, people),
        _revisions(happened),
        people,
        await called(visit, (event["actor"] for event in happened)),
    )


async def _not_yet(visit: Visit, deal_id: UUID) -> Response:
    """A deal that was not there at the point, but is today. Raises NotFound."""
    answer = show(
        visit,
        "deal_not_yet.html",
        deal=await visit.ask(f"/deals/{deal_id}"),
        as_of=parsed_day(visit.asked.get("as_of"), visit.today),
    )
    answer.status_code = 404
    return answer


def _acts(
    visit: Visit,
    deal: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    people: People,
    titles: Mapping[str, str],
) -> Sequence[Act]:
    """In book order, as the deal has them."""
    of_action: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for event in events:
        if "action_id" in event["data"]:
            of_action[event["data"]["action_id"]][event["type"]] = event
    judges = deal["status"] == "open" and _judges(visit, people, deal)
    acts = []
    for number, said in enumerate(deal["actions"], 1):
        happened = of_action[said["action_id"]]
        performers = _performers(said, happened["ActionPerformed"])
        waits, mine = said["state"] == "claimed", visit.grant.manager_id in _people_of(performers)
        acts.append(
            Act(
                number,
                said,
                happened["ActionPerformed"],
                happened.get(_SETTLED_BY.get(said["state"], "")),
                titles.get(said["action_type"], said["action_type"]),
                performers,
                _worth(said["credit"], deal["potential_check"]["amount"]),
                _taken(said, happened),
                may_confirm=waits and judges and not mine,
                may_take_back=waits and _takes_back(visit, deal, performers),
            )
        )
    return acts


def _performers(said: Mapping[str, Any], event: Mapping[str, Any]) -> Sequence[Performer]:
    did = [credit["manager_id"] for credit in event["data"]["credits"]]
    return [
        Performer(line["manager_id"], line["weight"], "" if line["manager_id"] == by else by)
        for line, by in zip(said["credits"], did, strict=True)
    ]


def _taken(said: Mapping[str, Any], events: Mapping[str, Mapping[str, Any]]) -> Decimal:
    """By a setback that counts, from everybody's credit."""
    if Decimal(said["weight"]) > 0 or said["state"] != "counted":
        return Decimal()
    event = events.get("ActionConfirmed") or events["ActionPerformed"]
    return sum((Decimal(line["credit"]) for line in event["added"]), Decimal())


def _takes_back(visit: Visit, deal: Mapping[str, Any], performers: Sequence[Performer]) -> bool:
    """A manager may withdraw a claim that is theirs alone; those who judge find it elsewhere."""
    return (
        MATRIX[Task.JUDGE].get(visit.grant.role) is Reach.OWN
        and deal["status"] in {"open", "suspended"}
        and _people_of(performers) == {visit.grant.manager_id}
    )


def _people_of(performers: Iterable[Performer]) -> set[str]:
    """Whoever did it, and whoever has it now."""
    return {who for one in performers for who in (one.manager_id, one.handed_by) if who}


def _judges(visit: Visit, people: People, deal: Mapping[str, Any]) -> bool:
    """Whether to offer what changes the deal: the decision itself asks again."""
    match MATRIX[Task.JUDGE].get(visit.grant.role):
        case Reach.ALL:
            return True
        case Reach.TEAM:
            team = people.teams.get(deal["owner"])
            return team is not None and team == str(visit.grant.team_id)
        case _:
            return False


def _holders(
    deal: Mapping[str, Any], events: Sequence[Mapping[str, Any]], people: People
) -> Sequence[Holder]:
    credit: dict[str, Decimal] = defaultdict(Decimal)
    for said in deal["actions"]:
        for line in said["credits"]:
            credit[line["manager_id"]] += Decimal(line["credit"])
    account = ACCOUNTS[deal["status"]]
    return [
        Holder(who, credit[who], _added(events, account, who))
        for who in sorted(credit, key=people.slot)
        if credit[who]
    ]


def _revisions(events: Iterable[Mapping[str, Any]]) -> Sequence[Revision]:
    revisions: list[Revision] = []
    for event in events:
        if event["type"] in {"DealOpened", "PotentialCheckRevised"}:
            amount = event["data"]["potential_check"]["amount"]
            change = Decimal(amount) - Decimal(revisions[-1].amount) if revisions else None
            revisions.append(Revision(event, amount, None if change is None else str(change)))
    return revisions


def _added(events: Iterable[Mapping[str, Any]], account: str, manager: str | None = None) -> str:
    """What all steps together have put into an account: everybody's, or that manager's."""
    lines = (line for event in events for line in event["added"] if line["account"] == account)
    mine = (line for line in lines if manager in (None, line["manager_id"]))
    return _text(sum((Decimal(line["amount"]) for line in mine), Decimal()))


def _text(amount: Decimal) -> str:
    """As an answer writes it."""
    return value_text(int(amount.scaleb(6)))


def _worth(credit: str, check: str) -> str:
    """Exact: basis points of kopecks."""
    return value_text(int(Decimal(credit).scaleb(2)) * int(Decimal(check).scaleb(2)))


def _bars(visit: Visit, found: Found) -> Sequence[Markup]:
    say, language = gettext(visit.language), visit.language
    progress, claimed = found.deal["progress"], str(found.claimed)
    shares = [
        Share(
            found.people.colour(one.manager_id),
            float(one.credit),
            f"{found.people.name(one.manager_id)}: {figures.percent(str(one.credit), language)} %",
        )
        for one in found.holders
    ]
    more = f"{say('Claimed')} {figures.percent(claimed, language)} %" if found.claimed else ""
    words = {
        "label": f"{say('Progress')} {figures.percent(progress, language)} %. {more}".strip(),
        "cap": f"{say('cap')} 100 %",
        "claimed": f"{more}, {say('fits')} {figures.percent(str(found.fits), language)} %",
        "over": f"{figures.percent(str(found.over), language)} % {say('over')}"
        if found.over
        else "",
    }
    return [
        deal_charts.progress_bar(shares, float(claimed), words, narrow=narrow)
        for narrow in (False, True)
    ]


def _history(visit: Visit, found: Found) -> History:
    """Progress and claims at the end of each day on which something happened."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    claims, check = Decimal(), Decimal()
    at: dict[date, tuple[Mapping[str, Decimal], Decimal]] = {}
    for event in found.events:
        check = Decimal(event["data"].get("potential_check", {"amount": check})["amount"])
        for line in event["added"]:
            held[line["manager_id"]] += Decimal(line["credit"])
            if line["account"] == "claimed":
                claims += Decimal(line["amount"])
        share = 100 * claims / check if check else Decimal()
        at[date.fromisoformat(event["effective_on"])] = dict(held), share
    days = [*at, found.as_of]
    states = [*at.values(), at[days[-2]]]
    people = found.people
    bands = [
        Band(
            people.short(who), people.colour(who), [float(state[0].get(who, 0)) for state in states]
        )
        for who in sorted(held, key=people.slot)
    ]
    ends = [
        figures.percent(str(held[who]), visit.language) for who in sorted(held, key=people.slot)
    ]
    ends.append(figures.percent(str(found.claimed), visit.language))
    return History(
        days,
        bands,
        [float(share) for _, share in states],
        ends,
        _checks(visit, found),
        [_mark(visit, found, event) for event in found.events],
    )


def _checks(visit: Visit, found: Found) -> Sequence[Check]:
    say = gettext(visit.language)
    return [
        Check(
            date.fromisoformat(one.event["effective_on"]),
            float(one.amount),
            figures.millions(one.amount, visit.language),
            f"{one.event['data'].get('reason') or say('opened')}, "
            f"{_short(visit, one.event['effective_on'])}",
        )
        for one in found.revisions
    ]


def _mark(visit: Visit, found: Found, event: Mapping[str, Any]) -> Mark:
    say = gettext(visit.language)
    on = date.fromisoformat(event["effective_on"])
    title, label = (say(text) if text else "" for text in EVENTS[event["type"]])
    kind: deal_charts.Kind = "deal"
    colour, late = "", event["late_days"] > LATE_DAYS
    act = found.numbers.get(event["data"].get("action_id", ""))
    if act is not None:
        title = f"{title}: {act.title}"
    if event["type"] == "ActionPerformed" and act is not None:
        kind = "setback" if act.is_setback else "action"
        colour, label = (
            found.people.colour(event["data"]["credits"][0]["manager_id"]),
            str(act.number),
        )
    if event["type"] == "ActionConfirmed":
        kind, late = "confirmation", False  # it holds from the action's date, however late it came
    recorded = on + timedelta(days=event["late_days"])
    later = ngettext(visit.language)(
        "recorded %(num)s day later", "recorded %(num)s days later", event["late_days"]
    )
    said = f"{title}. {_short(visit, on)}, {later if event['late_days'] else say('the same day')}"
    return Mark(kind, on, recorded, colour, label, said, later if late else "")


def _words(visit: Visit, found: Found) -> Words:
    say = gettext(visit.language)
    unit = f"{say('m')} {figures.symbol(found.currency, visit.language)}"
    today = found.as_of == visit.today
    return Words(
        label=say(
            "History: progress, check and events on two axes; the same is in the tables below"
        ),
        progress=f"{say('Progress')}, %",
        check=f"{say('Check')}, {unit}",
        events=say("Events"),
        was=say("when it was"),
        recorded=say("when recorded"),
        claimed=say("Claimed"),
        last_day=say("today") if today else _short(visit, found.as_of),
        month=lambda day: figures.month_name(day, visit.language),
    )


def _short(visit: Visit, day: str | date) -> str:
    when = day if isinstance(day, date) else date.fromisoformat(day)
    return figures.short_date(when, visit.language, visit.today)
