"""What a question must be answered, in full: the contract of section 6 of design.md on the oracle.

`known_at` is left out of every answer: it is an instant in some zone, and compared as one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests import oracle
from tests.rights import (
    Grant,
    Log,
    deal_of,
    events_of,
    last_day,
    managers,
    sees,
    sees_deal,
    team_of,
)
from tests.wishes import percent, value_text, values

MOSCOW = ZoneInfo("Europe/Moscow")
NAMES = "Сотрудник {}"
"""What everybody is called: beside the log nothing is remembered."""


@dataclass(frozen=True)
class Asked:
    """Who asks (what RoleGranted says of them), today, at which point."""

    log: Log
    grant: Grant
    today: str
    as_of: str
    position: int

    @property
    def head(self) -> dict[str, Any]:
        return {"as_of": self.as_of, "position": self.position}

    @property
    def known(self) -> Log:
        return self.log[: self.position]

    def sees(self, manager: str, *days: str) -> bool:
        """On each of the days (else on `as_of`), and today."""
        return sees(self.log, self.grant, manager, *(days or (self.as_of,)), self.today)

    def members(self, team: str | None, day: str) -> list[str]:
        """Of the team as it was known, or everybody."""
        known = self.known
        return [m for m in managers(known) if team is None or team_of(known, m, day) == team]

    def seen(self, team: str | None, *days: str) -> list[str]:
        """Of those who are in the team on the last of the days."""
        return [who for who in self.members(team, days[-1]) if self.sees(who, *days)]


def manager_portfolio(asked: Asked, manager: str) -> dict[str, Any]:
    held = oracle.portfolio(asked.log, asked.as_of, asked.position)
    rows = oracle.deal_rows(asked.log, manager, asked.as_of, asked.position)
    own = [people[manager] for people in held.values() if manager in people]
    nothing = dict.fromkeys(oracle.FIGURES, 0)
    return asked.head | {
        "manager_id": manager,
        "name": NAMES.format(manager),
        "progress": percent(sum(one["progress"] for one in own)),
        "actions": sum(one["actions"] for one in own),
        "currencies": [
            {
                "currency": currency,
                **values(held.get(currency, {}).get(manager, nothing)),
                "deals": [_row(asked, row, currency) for row in rows.get(currency, ())],
            }
            for currency in ["RUB", *sorted(set(rows) - {"RUB"})]
        ],
    }


def _row(asked: Asked, row: dict[str, Any], currency: str) -> dict[str, Any]:
    deal = deal_of(asked.log, row["deal_id"], asked.as_of, asked.position)
    return values(row) | {
        "deal_id": row["deal_id"],
        "title": deal["title"],
        "client": deal["client"],
        "status": row["status"],
        "potential_check": {"amount": percent(row["check"]), "currency": currency},
        "deal_progress": percent(row["deal_progress"]),
        "credit": percent(row["credit"]),
    }


def portfolios(asked: Asked, team: str | None) -> dict[str, Any]:
    held = oracle.portfolio(asked.log, asked.as_of, asked.position)
    lines = []
    for currency in ["RUB", *sorted(set(held) - {"RUB"})]:
        own = held.get(currency, {})
        nothing = dict.fromkeys(oracle.FIGURES, 0)
        shown = [m for m in asked.seen(team, asked.as_of) if currency == "RUB" or m in own]
        if not shown and currency != "RUB":
            continue
        people = {manager: own.get(manager, nothing) for manager in shown}
        total = {name: sum(one[name] for one in people.values()) for name in oracle.FIGURES}
        told = [
            {"manager_id": manager, "name": NAMES.format(manager)} | _figures(one)
            for manager, one in people.items()
        ]
        lines.append({"currency": currency, "managers": told, "total": _figures(total)})
    return asked.head | {"currencies": lines}


def _figures(figures: dict[str, int]) -> dict[str, Any]:
    counts = {"actions": figures["actions"], "deals": figures["deals"]}
    return values(figures) | counts | {"progress": percent(figures["progress"])}


def series(asked: Asked, currency: str, seen: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """`seen`: on each day who counts."""
    points = []
    for day, who in seen.items():
        own = oracle.portfolio(asked.log, day, asked.position).get(currency, {})
        counted = [figures for manager, figures in own.items() if manager in who]
        total = {name: sum(one[name] for one in counted) for name in oracle.FIGURES}
        point = {"as_of": day, "progress": percent(total["progress"]), **values(total)}
        points.append(point)
    return asked.head | {"currency": currency, "points": points}


def step_ends(first: str, last: str, step: str) -> list[str]:
    """Every day, Sunday or last of a month from `first` on, and `last`."""
    days, day = [], date.fromisoformat(first)
    while str(day) < last:
        tomorrow = day + timedelta(days=1)
        ends = {"day": True, "week": day.isoweekday() == 7, "month": tomorrow.day == 1}
        days += [str(day)] if ends[step] else []
        day = tomorrow
    return [*days, last]


def movement(asked: Asked, first: str, currency: str, who: Collection[str]) -> dict[str, Any]:
    opening, lines, closing = oracle.movement(
        asked.log, first, asked.as_of, asked.position, who, currency
    )
    told = [
        {"cause": cause, "account": account, "amount": value_text(amount)}
        for (cause, account), amount in sorted(lines.items())
    ]
    ends = {"opening": values(opening), "lines": told, "closing": values(closing)}
    return asked.head | {"currency": currency} | ends


def restatement(
    asked: Asked, from_position: int, currency: str, who: Collection[str]
) -> dict[str, Any]:
    earlier, lines, later = oracle.restatement(
        asked.log, asked.as_of, from_position, asked.position, who, currency
    )
    told = []
    for (position, manager, account), amount in sorted(lines.items()):
        event = asked.log[position - 1]
        told.append(
            {
                "position": position,
                "recorded_at": event["recorded_at"],
                "event": event["type"],
                "deal_id": event["deal_id"],
                "manager_id": manager,
                "account": account,
                "effective_on": event["effective_on"],
                "late_days": late_days(event),
                "amount": value_text(amount),
            }
        )
    return asked.head | {
        "currency": currency,
        "from_position": from_position,
        "earlier": values(earlier),
        "lines": told,
        "later": values(later),
    }


def late_days(event: dict[str, Any]) -> int:
    recorded = datetime.fromisoformat(event["recorded_at"]).astimezone(MOSCOW).date()
    return (recorded - date.fromisoformat(event["effective_on"])).days


# ---------------------------------------------------------------------------- deals


def deals(asked: Asked, status: str | None, owner: str | None) -> dict[str, Any]:
    shown = []
    for deal_id in oracle.by_deal(asked.known):
        deal = deal_of(asked.log, deal_id, asked.as_of, asked.position)
        if deal is None or not sees_deal(asked.log, asked.grant, deal, asked.as_of, asked.today):
            continue
        if status in (None, deal["status"]) and owner in (None, deal["owner"]):
            shown.append(_summary(asked, deal_id, deal))
    return asked.head | {"deals": shown}


def _summary(asked: Asked, deal_id: str, deal: Any) -> dict[str, Any]:
    (opened,) = [e for e in events_of(asked.known, deal_id) if e["type"] == "DealOpened"]
    return {
        "deal_id": deal_id,
        "title": deal["title"],
        "client": deal["client"],
        "status": deal["status"],
        "owner": deal["owner"],
        "potential_check": {"amount": percent(deal["check"]), "currency": deal["currency"]},
        "progress": percent(deal["progress"]),
        "opened_on": opened["effective_on"],
        "expected_close_on": deal["expected_close_on"],
    }


def found(asked: Asked, deal_id: str) -> Any:
    """The deal at the point, if who asks sees it there, or sees it today."""
    deal = deal_of(asked.log, deal_id, asked.as_of, asked.position)
    if deal is None:
        return None
    if sees_deal(asked.log, asked.grant, deal, asked.as_of, asked.today):
        return deal
    now = deal_of(asked.log, deal_id)
    return deal if sees_deal(asked.log, asked.grant, now, asked.today) else None


def one_deal(asked: Asked, deal_id: str, deal: Any) -> dict[str, Any]:
    events = events_of(asked.known, deal_id)
    won = sum(deal["won"].values())
    contract = {"amount": percent(won), "currency": deal["currency"]}
    return (
        asked.head
        | _summary(asked, deal_id, deal)
        | {
            "version": len(events),
            "contract": contract if deal["status"] == "won" else None,
            "actions": [_action(asked, action, events) for action in deal["actions"].values()],
        }
    )


def _action(asked: Asked, action: Any, events: Log) -> dict[str, Any]:
    about = [e for e in events if e["data"].get("action_id") == action["action_id"]]
    (performed,) = [e for e in about if e["type"] == "ActionPerformed"]
    by_then = [e["type"] for e in about if e["effective_on"] <= asked.as_of]
    dead = "rejected" if "ActionRejected" in by_then else "withdrawn"
    alive = "claimed" if action["claimed"] else "counted"
    return {
        "action_id": action["action_id"],
        "action_type": action["action_type"],
        "effective_on": action["effective_on"],
        "recorded_at": performed["recorded_at"],
        "late_days": late_days(performed),
        "state": alive if action["live"] else dead,
        "weight": percent(action["weight"]),
        "credit": percent(sum(entry["credit"] for entry in action["entries"])),
        "credits": [
            {
                "manager_id": entry["manager_id"],
                "weight": percent(entry["weight"]),
                "credit": percent(entry["credit"]),
            }
            for entry in action["entries"]
        ],
        "evidence": performed["data"].get("evidence"),
        "comment": performed["data"].get("comment"),
    }


def deal_events(asked: Asked, deal_id: str) -> dict[str, Any]:
    """In book order; what each step added is told by manager and account."""
    told, deal, versions = [], None, [e["position"] for e in events_of(asked.log, deal_id)]
    known = oracle.known(events_of(asked.log, deal_id), asked.as_of, asked.position)
    for event in oracle.book_order(known):
        before, credit_before = oracle.holdings(deal), _credit(deal)
        deal = oracle.step(deal, event)
        after, credit = oracle.holdings(deal), _credit(deal)
        added = {}
        for key in {*before, *after, *credit_before, *credit}:
            amount = after.get(key, 0) - before.get(key, 0)
            more = credit.get(key, 0) - credit_before.get(key, 0)
            if amount or more:
                added[key] = value_text(amount), percent(more)
        names = ("position", "recorded_at", "effective_on", "type", "actor", "data")
        line = {name: event[name] for name in names}
        version = versions.index(event["position"]) + 1
        told.append(line | {"version": version, "late_days": late_days(event), "added": added})
    return asked.head | {"deal_id": deal_id, "events": told}


def _credit(deal: Any) -> dict[tuple[str, str], int]:
    """Credit stands beside the account `active`, whatever the status."""
    held = oracle.credit_by_manager(deal) if deal else {}
    return {(manager, "active"): credit for manager, credit in held.items()}


def periods(asked: Asked) -> list[dict[str, Any]]:
    """Months that were ever closed, with the totals of those whom one sees at their end."""
    lines: dict[str, dict[str, Any]] = {}
    for event in asked.known:
        if event["type"] not in {"PeriodClosed", "PeriodReopened"}:
            continue
        data = event["data"]
        month = data["period"]
        totals = data["totals"] if "totals" in data else lines[month]["totals"]
        lines[month] = {
            "period": month,
            "status": "closed" if "totals" in data else "reopened",
            "position": event["position"],
            "recorded_at": event["recorded_at"],
            "actor": event["actor"],
            "reason": data.get("reason"),
            "totals": [one for one in totals if asked.sees(one["manager_id"], last_day(month))],
        }
    return [lines[month] for month in sorted(lines)]
