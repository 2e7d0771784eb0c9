"""What comes of a command that its giver may give: the rule that refuses it, or the event.

Read from section 4 of design.md on the public log, as rights.py reads section 7; whether an event
fits its deal's timeline is asked of the oracle.
"""

from typing import Any

from tests import oracle
from tests.rights import (
    NOT_FOUND,
    Log,
    Refused,
    Wish,
    closed_months,
    closed_through,
    deal_of,
    events_of,
    grant_of,
    last_day,
    managers,
    targets,
    teams,
)

NEW = "to be made"
"""Stands in an event for an id that the service makes."""


def conflict(slug: str) -> Refused:
    return Refused(409, slug)


def outcome(log: Log, today: str, wish: Wish) -> Refused | dict[str, Any]:
    """The event without what the log adds to it."""
    if wish.what == "actions":
        refused = _action_refused(log, today, wish)
        return refused or _fitting(log, _action(log, wish))
    if wish.what == "deals":
        refused = _day_refused(log, today, wish.body["effective_on"]) or _unknown(log, wish.body)
        return refused or _event("DealOpened", wish.body)
    if wish.deal:
        return _of_a_deal(log, today, wish)
    return _beside_the_deals(log, today, wish)


# ---------------------------------------------------------------------------- on deals

AMENDMENTS = {
    "confirmation": "ActionConfirmed",
    "rejection": "ActionRejected",
    "weight-changes": "WeightChanged",
    "withdrawal": "ActionWithdrawn",
}
ON_DEALS = {
    "check-revisions": "PotentialCheckRevised",
    "expected-close-revisions": "ExpectedCloseRevised",
    "handovers": "DealHandedOver",
    "suspension": "DealSuspended",
    "resumption": "DealResumed",
    "win": "DealWon",
    "loss": "DealLost",
    "reopening": "DealReopened",
}


def _of_a_deal(log: Log, today: str, wish: Wish) -> Refused | dict[str, Any]:
    deal, body = deal_of(log, wish.deal), dict(wish.body)
    if wish.action:
        kind = AMENDMENTS[wish.what]
        body.setdefault("effective_on", deal["actions"][wish.action]["effective_on"])
        body["action_id"] = wish.action
    else:
        kind = ON_DEALS[wish.what]
    if refused := _day_of_deal_refused(log, today, wish.deal, body["effective_on"]):
        return refused
    for field, name in (("amount", "potential_check"), ("contract_amount", "contract")):
        if field in body:
            body[name] = {"amount": body.pop(field), "currency": deal["currency"]}
    if wish.what == "handovers" and (refused := _unknown(log, {}, body["to_manager_id"])):
        return refused
    return _fitting(log, _event(kind, body, wish.deal))


def _action_refused(log: Log, today: str, wish: Wish) -> Refused | None:
    body = wish.body
    if refused := _day_of_deal_refused(log, today, wish.deal, body["effective_on"]):
        return refused
    kind = kinds(log).get(body["action_type"])
    if kind is None:
        return conflict("unknown-action-type")
    if weight_on(log, body["action_type"], body["effective_on"]) is None:
        return conflict("action-type-not-in-force")
    if kind["evidence_required"] and "evidence" not in body:
        return conflict("evidence-required")
    if refused := _unknown(log, body, *(one["manager_id"] for one in body.get("credits", ()))):
        return refused
    most = kind.get("max_per_deal")
    actions = deal_of(log, wish.deal)["actions"].values()
    done = [a for a in actions if a["live"] and a["action_type"] == body["action_type"]]
    return conflict("action-limit-reached") if most is not None and len(done) >= most else None


def _action(log: Log, wish: Wish) -> dict[str, Any]:
    body = dict(wish.body)
    weight = weight_on(log, body["action_type"], body["effective_on"])
    if "manager_id" in body:
        body["credits"] = [{"manager_id": body.pop("manager_id"), "weight": weight}]
    body["action_id"] = NEW
    body["needs_confirmation"] = kinds(log)[body["action_type"]]["needs_confirmation"]
    return _event("ActionPerformed", body, wish.deal)


def _day_of_deal_refused(log: Log, today: str, deal_id: str, day: str) -> Refused | None:
    if refused := _day_refused(log, today, day):
        return refused
    (opened,) = [e for e in events_of(log, deal_id) if e["type"] == "DealOpened"]
    return conflict("before-opening") if day < opened["effective_on"] else None


def _day_refused(log: Log, today: str, day: str) -> Refused | None:
    if day > today:
        return conflict("in-the-future")
    return conflict("period-closed") if day <= closed_through(log) else None


def _unknown(log: Log, body: dict[str, Any], *more: str) -> Refused | None:
    named = [*more, body["manager_id"]] if "manager_id" in body else more
    return None if set(named) <= set(managers(log)) else conflict("unknown-manager")


def _fitting(log: Log, event: dict[str, Any]) -> Refused | dict[str, Any]:
    told = event | {"position": len(log) + 1}
    said, broken = oracle.fits(events_of(log, event["deal_id"]), told)
    if said == "ok":
        return event
    return Refused(409, said, "" if broken is None else str(broken))


# ---------------------------------------------------------------------------- beside the deals


def _beside_the_deals(log: Log, today: str, wish: Wish) -> Refused | dict[str, Any]:
    match wish.what:
        case "teams":
            return _event("TeamCreated", wish.body | {"team_id": NEW})
        case "managers":
            known_team = wish.body.get("team_id") in [None, *teams(log)]
            return _registered(log, wish.body) if known_team else NOT_FOUND
        case "team-changes":
            known = wish.name in managers(log) and wish.body["team_id"] in teams(log)
            refused = None if known else NOT_FOUND
            refused = refused or _day_refused(log, today, wish.body["effective_on"])
            return refused or _event("ManagerTeamChanged", wish.body | {"manager_id": wish.name})
        case "weights":
            changed = _event("ActionTypeWeightChanged", wish.body | {"code": wish.name})
            return changed if wish.name in kinds(log) else NOT_FOUND
        case "backdating":
            return _event("BackdatingLimitSet", wish.body)
        case "targets":
            return _target(log, today, wish.body)
        case "target-withdrawal":
            target = targets(log).get(wish.name)
            if target is None:
                return NOT_FOUND
            told = _event("TargetWithdrawn", wish.body | {"target_id": wish.name})
            return conflict("not-allowed-now") if target["last_day"] < today else told
        case "closing" | "reopening":
            return _month(log, today, wish)
        case _:
            return _account(log, wish)


def _registered(log: Log, body: dict[str, Any]) -> Refused | dict[str, Any]:
    if body["manager_id"] in managers(log):
        return conflict("not-allowed-now")
    return _event("ManagerRegistered", {k: v for k, v in body.items() if k != "name"})


def _target(log: Log, today: str, body: dict[str, Any]) -> Refused | dict[str, Any]:
    if body.get("manager_id") not in [None, *managers(log)]:
        return conflict("unknown-manager")
    if body.get("team_id") not in [None, *teams(log)]:
        return NOT_FOUND
    told = _event("TargetSet", body | {"target_id": NEW})
    return conflict("not-allowed-now") if body["last_day"] < today else told


def _month(log: Log, today: str, wish: Wish) -> Refused | dict[str, Any]:
    through, end = closed_through(log), last_day(wish.name)
    if wish.what == "reopening":
        told = _event("PeriodReopened", wish.body | {"period": wish.name})
        return told if through == end else conflict("not-allowed-now")
    if end >= today:
        return conflict("in-the-future")
    if wish.name in closed_months(log):
        return conflict("not-allowed-now")
    totals = [
        {"manager_id": who, "currency": currency} | values(figures)
        for currency, people in sorted(oracle.portfolio(log, end, len(log)).items())
        for who, figures in sorted(people.items())
        if any(figures[account] for account in oracle.ACCOUNTS)
    ]
    closed = {"period": wish.name, "position": len(log), "totals": totals}
    return _event("PeriodClosed", closed)


def _account(log: Log, wish: Wish) -> Refused | dict[str, Any]:
    if grant_of(log, wish.name) is None:
        return NOT_FOUND
    if wish.what == "keys":
        return _event("KeyIssued", wish.body | {"account_id": wish.name, "key_id": NEW})
    if wish.body.get("manager_id") not in [None, *managers(log)]:
        return NOT_FOUND
    if wish.body.get("team_id") not in [None, *teams(log)]:
        return NOT_FOUND
    return _event("RoleGranted", wish.body | {"account_id": wish.name})


# ---------------------------------------------------------------------------- the log, and figures


def _event(kind: str, body: dict[str, Any], deal_id: str = "") -> dict[str, Any]:
    data = {k: v for k, v in body.items() if k != "effective_on" and v is not None}
    event: dict[str, Any] = {"type": kind, "data": data}
    if "effective_on" in body:
        event["effective_on"] = body["effective_on"]
    if deal_id or kind == "DealOpened":
        event["deal_id"] = deal_id or NEW
    return event


def kinds(log: Log) -> dict[str, dict[str, Any]]:
    return {e["data"]["code"]: e["data"] for e in log if e["type"] == "ActionTypeDefined"}


def weight_on(log: Log, code: str, day: str) -> str | None:
    told = [
        (e["data"]["effective_from"], e["position"], e["data"]["weight"])
        for e in log
        if e["type"] in {"ActionTypeDefined", "ActionTypeWeightChanged"}
        and e["data"]["code"] == code
        and e["data"]["effective_from"] <= day
    ]
    return max(told)[2] if told else None


def values(figures: dict[str, int]) -> dict[str, str]:
    return {account: value_text(figures[account]) for account in oracle.ACCOUNTS}


def value_text(value: int) -> str:
    """In major units: two decimals, and as many more as exactness needs."""
    sign, digits = "-" * (value < 0), f"{abs(value):07d}"
    return f"{sign}{digits[:-6]}.{digits[-6:-4]}{digits[-4:].rstrip('0')}"


def percent(hundredths: int) -> str:
    """The same of basis points, and of kopecks in roubles."""
    return value_text(hundredths * 10_000)
