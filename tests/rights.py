"""Who may do what (design.md, section 7) read a second time, as plainly as possible.

Shares nothing with the product. Whatever must be known is read off the public log, from its
beginning and for each question anew: who has which role, who was when in which team, what is
closed. Dates are `YYYY-MM-DD`, events and deals as in oracle.py.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests import oracle

Log = list[dict[str, Any]]
Grant = dict[str, Any]
"""What RoleGranted says: role, and where there is one manager_id and team_id."""

LATEST = ("9999-12-31", 2**62)
HOLIDAYS = {"2026-11-04"}
"""In the weeks in which the tests play, beside the weekends."""


@dataclass(frozen=True)
class Refused:
    """`rule` is what stands beside the slug; empty where only the slug is foretold."""

    status: int
    slug: str
    rule: str = ""


SIGNED_OUT = Refused(401, "unauthenticated")
NOT_FOUND = Refused(404, "not-found")
ROLE = Refused(403, "forbidden", "role")


def forbidden(rule: str) -> Refused:
    return Refused(403, "forbidden", rule)


@dataclass(frozen=True)
class Wish:
    """A command: what it is called in its address, and which things that names."""

    what: str
    body: dict[str, Any] = field(default_factory=dict)
    deal: str = ""
    action: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        if self.action:
            return f"/v1/deals/{self.deal}/actions/{self.action}/{self.what}"
        if self.deal:
            return f"/v1/deals/{self.deal}/{self.what}"
        return {
            "team-changes": f"/v1/managers/{self.name}/team-changes",
            "weights": f"/v1/action-types/{self.name}/weights",
            "backdating": "/v1/rules/backdating",
            "target-withdrawal": f"/v1/targets/{self.name}/withdrawal",
            "closing": f"/v1/periods/{self.name}/closing",
            "reopening": f"/v1/periods/{self.name}/reopening",
            "role": f"/v1/accounts/{self.name}/role",
            "keys": f"/v1/accounts/{self.name}/keys",
        }.get(self.what, f"/v1/{self.what}")


# ------------------------------------------------------------------------------ read off the log


def grant_of(log: Log, account_id: str, key_id: str = "") -> Grant | None:
    """None: the account has no role, or the key was taken back."""
    grant = None
    for event in log:
        data = event["data"]
        if event["type"] == "RoleGranted" and data["account_id"] == account_id:
            grant = data
        if event["type"] == "RoleRevoked" and data["account_id"] == account_id:
            grant = None
    taken_back = [e["data"]["key_id"] for e in log if e["type"] == "KeyRevoked"]
    return None if key_id in taken_back else grant


def managers(log: Log) -> list[str]:
    return [e["data"]["manager_id"] for e in log if e["type"] == "ManagerRegistered"]


def teams(log: Log) -> list[str]:
    return [e["data"]["team_id"] for e in log if e["type"] == "TeamCreated"]


def team_of(log: Log, manager: str, day: str) -> str | None:
    """At the end of the day; of two changes effective on one day the later told."""
    team = None
    changes = []
    for event in log:
        if event["data"].get("manager_id") != manager:
            continue
        if event["type"] == "ManagerRegistered":
            team = event["data"].get("team_id")
        if event["type"] == "ManagerTeamChanged" and event["effective_on"] <= day:
            changes.append((event["effective_on"], event["position"], event["data"]["team_id"]))
    return max(changes)[2] if changes else team


def targets(log: Log) -> dict[str, dict[str, Any]]:
    """Those that stand, by id: one that was set anew, or withdrawn, does not."""
    standing = dict[str, dict[str, Any]]()
    for event in log:
        data = event["data"]
        if event["type"] == "TargetWithdrawn":
            del standing[data["target_id"]]
        if event["type"] == "TargetSet":
            same = [who for who, one in standing.items() if _is_for(one) == _is_for(data)]
            for who in same:
                del standing[who]
            standing[data["target_id"]] = data
    return standing


def _is_for(target: dict[str, Any]) -> list[Any]:
    names = ("manager_id", "team_id", "measure", "first_day", "last_day")
    return [*map(target.get, names), target.get("amount", {}).get("currency")]


def deal_of(log: Log, deal_id: str, as_of: str = LATEST[0], position: int = LATEST[1]) -> Any:
    return oracle.fold_deal(events_of(log, deal_id), as_of, position)


def events_of(log: Log, deal_id: str) -> Log:
    return [event for event in log if event.get("deal_id") == deal_id]


def closed_months(log: Log) -> set[str]:
    """Those that are closed themselves; what lies before one is closed with it."""
    closed = set[str]()
    for event in log:
        if event["type"] == "PeriodClosed":
            closed.add(event["data"]["period"])
        if event["type"] == "PeriodReopened":
            closed.discard(event["data"]["period"])
    return closed


def closed_through(log: Log) -> str:
    """The last day on which nothing is recorded any more; empty: nothing is closed."""
    closed = closed_months(log)
    return last_day(max(closed)) if closed else ""


def last_day(month: str) -> str:
    later = date.fromisoformat(f"{month}-28") + timedelta(days=4)
    return str(later.replace(day=1) - timedelta(days=1))


def earliest(log: Log, today: str) -> str:
    """The first day on which a manager may date an action today."""
    limits = [e["data"].get("working_days") for e in log if e["type"] == "BackdatingLimitSet"]
    left = limits[-1] if limits else 5
    if left is None:
        return ""
    day = date.fromisoformat(today)
    while left:
        day -= timedelta(days=1)
        if day.isoweekday() < 6 and str(day) not in HOLIDAYS:
            left -= 1
    return str(day)


# ------------------------------------------------------------------------------ who sees what


def sees(log: Log, grant: Grant, manager: str, *days: str) -> bool:
    """A head, of whoever was in the team on each of the days; today is one of them always."""
    if grant["role"] == "admin":
        return False
    if grant["role"] in {"director", "auditor"} or manager == grant.get("manager_id"):
        return True
    return grant["role"] == "head" and all(
        team_of(log, manager, day) == grant["team_id"] for day in days
    )


def sees_deal(log: Log, grant: Grant, deal: Any, *days: str) -> bool:
    return any(sees(log, grant, manager, *days) for manager in parties(deal))


def parties(deal: Any) -> set[str]:
    """The owner; who holds credit, or a claim that counts; who performed a live action."""
    claims = oracle.claim_by_manager(deal) if deal["status"] == "open" else {}
    return {deal["owner"], *oracle.credit_by_manager(deal), *claims, *oracle.actions_of(deal)}


# ------------------------------------------------------------------------------ who may do what

BESIDE_THE_DEALS = {
    "teams": {"director", "admin"},
    "managers": {"director", "admin"},
    "team-changes": {"director", "admin"},
    "weights": {"director"},
    "closing": {"director"},
    "reopening": {"director"},
    "backdating": {"director"},
    "targets": {"director"},
    "target-withdrawal": {"director"},
    "role": {"admin"},
    "keys": {"admin"},
}


def not_permitted(log: Log, today: str, grant: Grant, wish: Wish) -> Refused | None:
    role = grant["role"]
    if wish.what == "deals":
        return _not_permitted_to_open(log, today, grant, wish.body)
    if not wish.deal:
        return None if role in BESIDE_THE_DEALS[wish.what] else ROLE
    deal = deal_of(log, wish.deal)
    if deal is None or not sees_deal(log, grant, deal, today):
        return NOT_FOUND
    if role == "auditor":
        return ROLE
    if wish.what == "actions":
        return _not_permitted_to_record(log, today, grant, wish.body)
    if wish.action and wish.action not in deal["actions"]:
        return NOT_FOUND
    return _not_permitted_to_judge(log, today, grant, wish, deal)


def _not_permitted_to_open(
    log: Log, today: str, grant: Grant, body: dict[str, Any]
) -> Refused | None:
    match grant["role"]:
        case "manager":
            if body["manager_id"] != grant["manager_id"]:
                return forbidden("not-your-deal")
            return None
        case "head":
            return _of_another_team(log, today, grant, [body["manager_id"]])
        case "director":
            return None
        case _:
            return ROLE


def _not_permitted_to_record(
    log: Log, today: str, grant: Grant, body: dict[str, Any]
) -> Refused | None:
    who = [credit["manager_id"] for credit in body.get("credits", ())]
    who += [body["manager_id"]] if "manager_id" in body else []
    if grant["role"] == "manager":
        if set(who) != {grant["manager_id"]}:
            return forbidden("not-your-action")
        return _too_far_back(log, today, body["effective_on"])
    return _of_another_team(log, today, grant, who) if grant["role"] == "head" else None


def _not_permitted_to_judge(
    log: Log, today: str, grant: Grant, wish: Wish, deal: Any
) -> Refused | None:
    me, action = grant.get("manager_id"), deal["actions"].get(wish.action)
    people = (
        {*action["performers"], *(e["manager_id"] for e in action["entries"])} if action else {}
    )
    if grant["role"] == "manager":
        if wish.what != "withdrawal" or action is None or not action["claimed"] or people != {me}:
            return forbidden("no-own-claim")
        return None
    if grant["role"] == "head":
        if other := _of_another_team(log, today, grant, [deal["owner"]]):
            return other
        if me in people:
            return forbidden("own-action")
    if me in people and action is not None:
        if wish.what == "confirmation":
            return forbidden("own-action")
        if wish.what == "weight-changes":
            new = oracle.basis_points(wish.body["weight"])
            return forbidden("raises-own-weight") if new > action["weight"] else None
    if wish.what == "handovers" and wish.body["transfer_credit"]:
        return forbidden("credit-to-oneself") if wish.body["to_manager_id"] == me else None
    return None


def _of_another_team(log: Log, today: str, grant: Grant, who: list[str]) -> Refused | None:
    """Whoever is not known at all is the rules' business."""
    others = [
        manager
        for manager in who
        if manager in managers(log) and team_of(log, manager, today) != grant["team_id"]
    ]
    return forbidden("not-your-team") if others else None


def _too_far_back(log: Log, today: str, day: str) -> Refused | None:
    return forbidden("too-far-back") if day < min(today, earliest(log, today)) else None
