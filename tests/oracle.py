"""The rules of the books (design.md, sections 4 and 5) read a second time, as plainly as possible.

Shares nothing with the product: dicts, lists, loops and integers, slow on purpose. Where the two
disagree, one of them misread the design.

Units: money in kopecks (hundredths, in any currency), weights and credits in basis points, values
in their product, 1/10 000 of a kopeck. Dates are `YYYY-MM-DD` strings, so they compare as they are.
`as_of` and `position` are inclusive. Events are those of `GET /v1/events`.
"""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

Event = dict[str, Any]
Deal = dict[str, Any]
Action = dict[str, Any]

ACCOUNTS = ("active", "claimed", "suspended", "lost", "won")
FIGURES = (*ACCOUNTS, "progress", "actions", "deals")
FULL = 10_000  # 100 %

AMENDMENTS = {"ActionConfirmed", "ActionRejected", "WeightChanged", "ActionWithdrawn"}
DEAL_EVENTS = AMENDMENTS | {
    "DealOpened",
    "ActionPerformed",
    "PotentialCheckRevised",
    "ExpectedCloseRevised",
    "DealHandedOver",
    "DealSuspended",
    "DealResumed",
    "DealWon",
    "DealLost",
    "DealReopened",
}


# ------------------------------------------------------------------------------ one deal, folded


def fold_deal(events: Iterable[Event], as_of: str, position: int) -> Deal | None:
    """State of one deal at (as_of, position); None when it is not yet opened there.

    Keys: status, title, client, owner, check, currency, expected_close_on, progress (the credit in
    all, whatever the status), won ({manager: kopecks of the contract}, empty unless won), actions
    ({action_id: action} in book order). An action that is not `live` holds no credit and counts
    nowhere; its weight, `claimed` and `took` stay as they were when it died.
    """
    deal = None
    for event in book_order(known(events, as_of, position)):
        deal = step(deal, event)
    return deal


def known(events: Iterable[Event], as_of: str, position: int) -> list[Event]:
    return [e for e in events if e["position"] <= position and e["effective_on"] <= as_of]


def book_order(events: Iterable[Event]) -> list[Event]:
    """By business date; within a day an amendment stands where its action stood in the log.

    Literally so, also when the amendment is effective on a later day than its action: it then
    stands before what was recorded after that action and is effective on that later day.
    """
    events = list(events)
    performed_at = {
        e["data"]["action_id"]: e["position"] for e in events if e["type"] == "ActionPerformed"
    }

    def place(event: Event) -> tuple[str, int, int]:
        own = event["position"]
        within_day = own
        if event["type"] in AMENDMENTS:
            within_day = performed_at.get(event["data"]["action_id"], own)
        return event["effective_on"], within_day, own

    return sorted(events, key=place)


def step(deal: Deal | None, event: Event) -> Deal:
    """What one event does. It happened: nothing is refused here (`allowed` refuses)."""
    data = event["data"]
    if event["type"] == "DealOpened":
        return opened(data)
    assert deal is not None, "every event follows the opening in book order"

    match event["type"]:
        case "ActionPerformed":
            perform(deal, data, event["effective_on"])
        case "ActionConfirmed":
            action = deal["actions"][data["action_id"]]
            action["claimed"] = False
            take_effect(deal, action)
        case "ActionRejected":
            deal["actions"][data["action_id"]]["live"] = False
        case "WeightChanged":
            change_weight(deal, deal["actions"][data["action_id"]], basis_points(data["weight"]))
        case "ActionWithdrawn":
            withdraw(deal, deal["actions"][data["action_id"]])
        case "PotentialCheckRevised":
            deal["check"] = kopecks(data["potential_check"])
        case "ExpectedCloseRevised":
            deal["expected_close_on"] = data["expected_close_on"]
        case "DealHandedOver":
            hand_over(deal, data["to_manager_id"], transfer_credit=data["transfer_credit"])
        case "DealSuspended":
            deal["status"] = "suspended"
        case "DealResumed":
            deal["status"] = "open"
        case "DealWon":
            deal["status"] = "won"
            deal["won"] = shares_of_contract(deal, kopecks(data["contract"]))
        case "DealLost":
            deal["status"] = "lost"
        case "DealReopened":
            # Always to open, also when the deal was suspended before it was won or lost.
            deal["status"] = "open"
            deal["won"] = {}
        case unknown:
            raise AssertionError(f"not an event of a deal: {unknown}")

    deal["progress"] = credit_in_all(deal)
    return deal


def opened(data: dict[str, Any]) -> Deal:
    return {
        "status": "open",
        "title": data["title"],
        "client": data["client"],
        "owner": data["manager_id"],
        "check": kopecks(data["potential_check"]),
        "currency": data["potential_check"]["currency"],
        "expected_close_on": data.get("expected_close_on"),
        "progress": 0,
        "won": {},
        "actions": {},
    }


# ------------------------------------------------------------------------------ the single effects


def perform(deal: Deal, data: dict[str, Any], effective_on: str) -> None:
    entries = [
        {"manager_id": c["manager_id"], "weight": basis_points(c["weight"]), "credit": 0}
        for c in data["credits"]
    ]
    action = {
        "action_id": data["action_id"],
        "action_type": data["action_type"],
        "effective_on": effective_on,
        "weight": sum(entry["weight"] for entry in entries),
        "live": True,
        "claimed": data["needs_confirmation"],
        "performers": list(dict.fromkeys(entry["manager_id"] for entry in entries)),
        "entries": entries,
        "took": [],
    }
    deal["actions"][data["action_id"]] = action
    if not action["claimed"]:
        take_effect(deal, action)


def take_effect(deal: Deal, action: Action) -> None:
    """The grant of a positive action, the taking of a setback: when performed, or confirmed."""
    if action["weight"] > 0:
        grant(deal, action, action["weight"])
    else:
        take_from_the_deal(deal, action)


def grant(deal: Deal, action: Action, wanted: int) -> None:
    """As much of `wanted` as the cap leaves, in proportion to the nominal weights."""
    granted = min(wanted, FULL - credit_in_all(deal))
    parts = split(granted, [entry["weight"] for entry in action["entries"]])
    for entry, part in zip(action["entries"], parts, strict=True):
        entry["credit"] += part


def take_from_the_deal(deal: Deal, setback: Action) -> None:
    """In proportion to the credit held by every entry of the deal, action by action, as listed.

    `took` remembers the entry's place, not the manager: after a handover with transfer what is
    given back belongs to whoever then stands at that place.
    """
    places = [
        (action, index, entry)
        for action in deal["actions"].values()
        for index, entry in enumerate(action["entries"])
    ]
    taken = min(-setback["weight"], credit_in_all(deal))
    parts = split(taken, [entry["credit"] for _, _, entry in places])
    for (action, index, entry), part in zip(places, parts, strict=True):
        entry["credit"] -= part
        if part:
            setback["took"].append((action["action_id"], index, part))


def change_weight(deal: Deal, action: Action, new: int) -> None:
    old = action["weight"]
    nominal = split(new, [entry["weight"] for entry in action["entries"]])
    action["weight"] = new
    for entry, weight in zip(action["entries"], nominal, strict=True):
        entry["weight"] = weight
    if action["claimed"]:
        return
    if new > old:
        # The raise itself, not the gap up to the new weight: what the cap or a setback has cost
        # this action before is not made good. The split is by the new nominal weights, set above.
        grant(deal, action, new - old)
    else:
        # Only what exceeds the new weight: an action capped at 2 % and lowered from 5 % to 3 %
        # keeps its 2 %. Taken in proportion to the credits, not to the nominal weights.
        held = [entry["credit"] for entry in action["entries"]]
        excess = max(0, sum(held) - new)
        for entry, part in zip(action["entries"], split(excess, held), strict=True):
            entry["credit"] -= part


def withdraw(deal: Deal, action: Action) -> None:
    action["live"] = False
    for entry in action["entries"]:
        entry["credit"] = 0
    # A setback gives back (a positive action, or a claimed setback, has taken nothing).
    # First come, first served: an early entry may use up the room that a later one needed.
    for action_id, index, amount in action["took"]:
        robbed = deal["actions"][action_id]
        if not robbed["live"]:
            continue
        room_in_action = robbed["weight"] - sum(entry["credit"] for entry in robbed["entries"])
        room_in_deal = FULL - credit_in_all(deal)
        robbed["entries"][index]["credit"] += min(amount, room_in_action, room_in_deal)


def hand_over(deal: Deal, to_manager_id: str, *, transfer_credit: bool) -> None:
    """With transfer the old owner's entries change their name and nothing else.

    They keep their places and are not merged with other entries of the new owner; entries that
    hold no credit just now go too. `performers` stay: who did it, did it.
    """
    if transfer_credit:
        for action in deal["actions"].values():
            for entry in action["entries"]:
                if action["live"] and entry["manager_id"] == deal["owner"]:
                    entry["manager_id"] = to_manager_id
    deal["owner"] = to_manager_id


def shares_of_contract(deal: Deal, contract: int) -> dict[str, int]:
    """The contract in kopecks by manager, fixed at the win and kept until the deal is reopened."""
    # Walking the actions in order and skipping empty entries puts each manager at the earliest
    # action that still holds credit of theirs: it decides who gets the odd kopeck.
    held = credit_by_manager(deal)
    if not held:
        return {deal["owner"]: contract}
    return dict(zip(held, split(contract, list(held.values())), strict=True))


def split(whole: int, shares: list[int]) -> list[int]:
    """Largest remainder: floor every share, the rest by descending remainder, ties to the earlier.

    Shares are not negative; their sum may be zero only when there is nothing to split.
    """
    if whole == 0:
        return [0 for _ in shares]
    total = sum(shares)
    parts = [whole * share // total for share in shares]
    remainders = [whole * share % total for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: (-remainders[i], i))
    for i in by_remainder[: whole - sum(parts)]:
        parts[i] += 1
    return parts


# ---------------------------------------------------------------------------- what a deal is worth


def holdings(deal: Deal | None) -> dict[tuple[str, str], int]:
    """{(manager, account): value}, non-zero only."""
    if deal is None:
        return {}
    value: dict[tuple[str, str], int] = {}

    def add(manager_id: str, account: str, amount: int) -> None:
        value[manager_id, account] = value.get((manager_id, account), 0) + amount

    if deal["status"] == "won":
        # Only the contract counts now: neither the check nor the credit.
        for manager_id, share in deal["won"].items():
            add(manager_id, "won", share * FULL)
    else:
        account = "active" if deal["status"] == "open" else deal["status"]
        for manager_id, credit in credit_by_manager(deal).items():
            add(manager_id, account, credit * deal["check"])
    if deal["status"] == "open":
        # Claims count while the deal is open only, by their nominal weight: the cap is not asked.
        for manager_id, weight in claim_by_manager(deal).items():
            add(manager_id, "claimed", weight * deal["check"])
    return {key: amount for key, amount in value.items() if amount}


def progress_of(deal: Deal | None) -> dict[str, int]:
    """{manager: credit held}, in an open deal only."""
    return credit_by_manager(deal) if deal and deal["status"] == "open" else {}


def actions_of(deal: Deal | None) -> dict[str, int]:
    """{manager: live positive actions performed}, claimed ones too, whatever the deal's status."""
    count: dict[str, int] = {}
    for action in deal["actions"].values() if deal else []:
        if action["live"] and action["weight"] > 0:
            for manager_id in action["performers"]:
                count[manager_id] = count.get(manager_id, 0) + 1
    return count


def counts_of(deal: Deal | None) -> dict[str, int]:
    """{manager: 1} for whom an open deal counts: its owner, and who holds credit or a claim."""
    if not deal or deal["status"] != "open":
        return {}
    return {deal["owner"]: 1} | dict.fromkeys(credit_by_manager(deal) | claim_by_manager(deal), 1)


def credit_in_all(deal: Deal) -> int:
    return sum(entry["credit"] for a in deal["actions"].values() for entry in a["entries"])


def credit_by_manager(deal: Deal) -> dict[str, int]:
    """Who holds credit, in the order of the earliest action where they do."""
    held: dict[str, int] = {}
    for action in deal["actions"].values():
        for entry in action["entries"]:
            if entry["credit"]:
                held[entry["manager_id"]] = held.get(entry["manager_id"], 0) + entry["credit"]
    return held


def claim_by_manager(deal: Deal) -> dict[str, int]:
    """Nominal weight of live positive claims; a claimed setback is worth nothing."""
    claimed: dict[str, int] = {}
    for action in deal["actions"].values():
        for entry in action["entries"]:
            if action["live"] and action["claimed"] and entry["weight"] > 0:
                name = entry["manager_id"]
                claimed[name] = claimed.get(name, 0) + entry["weight"]
    return claimed


# ------------------------------------------------------------------------------ the questions


def portfolio(log: list[Event], as_of: str, position: int) -> dict[str, dict[str, dict[str, int]]]:
    """{currency: {manager: figures}}; managers, and so currencies, with nothing at all left out."""
    answer: dict[str, dict[str, dict[str, int]]] = {}
    for events in by_deal(log).values():
        deal = fold_deal(events, as_of, position)
        if deal is None:
            continue
        for manager_id, figures in figures_of(deal).items():
            managers = answer.setdefault(deal["currency"], {})
            total = managers.setdefault(manager_id, dict.fromkeys(FIGURES, 0))
            for name, amount in figures.items():
                total[name] += amount
    return answer


def deal_rows(
    log: list[Event], manager_id: str, as_of: str, position: int
) -> dict[str, list[dict[str, Any]]]:
    """{currency: rows}, deals in the order of the log.

    `credit` and `deal_progress` are the credit that stands in the deal, whatever its status. A
    deal where the manager has nothing but a count of actions has no row.
    """
    answer: dict[str, list[dict[str, Any]]] = {}
    for deal_id, events in by_deal(log).items():
        deal = fold_deal(events, as_of, position)
        if deal is None:
            continue
        figures = figures_of(deal).get(manager_id, dict.fromkeys(FIGURES, 0))
        if any(amount for name, amount in figures.items() if name != "actions"):
            row = {
                "deal_id": deal_id,
                "status": deal["status"],
                "check": deal["check"],
                "deal_progress": deal["progress"],
                "credit": credit_by_manager(deal).get(manager_id, 0),
            }
            row |= {account: figures[account] for account in ACCOUNTS}
            answer.setdefault(deal["currency"], []).append(row)
    return answer


def movement(
    log: list[Event],
    frm: str,
    to: str,
    position: int,
    manager_ids: Collection[str] | None = None,
    currency: str = "RUB",
) -> tuple[dict[str, int], dict[tuple[str, str], int], dict[str, int]]:
    """What changed between the ends of two days, in one knowledge: {(cause, account): amount}.

    Every deal is walked in book order through all that is known; what a step changes is caused by
    that step's event. A late entry thus also alters what the later steps are said to have caused.
    """
    lines: dict[tuple[str, str], int] = {}
    for events in by_deal(log).values():
        deal = None
        for event in book_order(e for e in events if e["position"] <= position):
            before = holdings(deal)
            deal = step(deal, event)
            after = holdings(deal)
            if not frm < event["effective_on"] <= to or deal["currency"] != currency:
                continue
            for manager_id, account in before | after:
                if manager_ids is None or manager_id in manager_ids:
                    key = (event["type"], account)
                    change = amount_in(after, manager_id, account)
                    change -= amount_in(before, manager_id, account)
                    lines[key] = lines.get(key, 0) + change
    return (
        accounts_in(portfolio(log, frm, position), manager_ids, currency),
        {key: amount for key, amount in lines.items() if amount},
        accounts_in(portfolio(log, to, position), manager_ids, currency),
    )


def restatement(
    log: list[Event],
    as_of: str,
    from_position: int,
    to_position: int,
    manager_ids: Collection[str] | None = None,
    currency: str = "RUB",
) -> tuple[dict[str, int], dict[tuple[int, str, str], int], dict[str, int]]:
    """What changed in our knowledge of one day: {(position, manager, account): amount}.

    For each event learnt, the portfolio of that day with it less the portfolio without it. An
    event effective after `as_of` therefore has no line.
    """
    lines: dict[tuple[int, str, str], int] = {}
    for learnt in deal_events(log):
        at = learnt["position"]
        if not from_position < at <= to_position:
            continue
        before = portfolio(log, as_of, at - 1).get(currency, {})
        after = portfolio(log, as_of, at).get(currency, {})
        for manager_id in before | after:
            if manager_ids is not None and manager_id not in manager_ids:
                continue
            for account in ACCOUNTS:
                change = after.get(manager_id, {}).get(account, 0)
                change -= before.get(manager_id, {}).get(account, 0)
                if change:
                    lines[at, manager_id, account] = change
    return (
        accounts_in(portfolio(log, as_of, from_position), manager_ids, currency),
        lines,
        accounts_in(portfolio(log, as_of, to_position), manager_ids, currency),
    )


def by_deal(log: Iterable[Event]) -> dict[str, list[Event]]:
    """{deal_id: its events}, deals in the order in which the log learnt of them."""
    deals: dict[str, list[Event]] = {}
    for event in deal_events(log):
        deals.setdefault(event["deal_id"], []).append(event)
    return deals


def deal_events(log: Iterable[Event]) -> list[Event]:
    return sorted((e for e in log if e["type"] in DEAL_EVENTS), key=lambda e: int(e["position"]))


def figures_of(deal: Deal) -> dict[str, dict[str, int]]:
    """{manager: all eight figures} of one deal, managers with nothing at all left out."""
    answer: dict[str, dict[str, int]] = {}

    def put(manager_id: str, name: str, amount: int) -> None:
        answer.setdefault(manager_id, dict.fromkeys(FIGURES, 0))[name] = amount

    for (manager_id, account), amount in holdings(deal).items():
        put(manager_id, account, amount)
    for manager_id, credit in progress_of(deal).items():
        put(manager_id, "progress", credit)
    for manager_id, count in actions_of(deal).items():
        put(manager_id, "actions", count)
    for manager_id, count in counts_of(deal).items():
        put(manager_id, "deals", count)
    return answer


def accounts_in(
    portfolios: dict[str, dict[str, dict[str, int]]],
    manager_ids: Collection[str] | None,
    currency: str,
) -> dict[str, int]:
    """The five accounts summed over the managers asked for (None: all; empty: nobody)."""
    asked = [
        figures
        for manager_id, figures in portfolios.get(currency, {}).items()
        if manager_ids is None or manager_id in manager_ids
    ]
    return {account: sum(figures[account] for figures in asked) for account in ACCOUNTS}


def amount_in(value: dict[tuple[str, str], int], manager_id: str, account: str) -> int:
    return value.get((manager_id, account), 0)


# ---------------------------------------------------------------------------- what may be recorded


def fits(events: Iterable[Event], new_event: Event) -> tuple[str, int | None]:
    """May `new_event` (with its position) be recorded after a deal's recorded events?

    ("ok", None), ("before-opening", None), ("not-allowed-now", None) when it is itself refused at
    its place in book order, ("breaks-later-history", position) of the first event that it breaks.
    """
    events = list(events)
    for event in events:
        if event["type"] == "DealOpened" and new_event["effective_on"] < event["effective_on"]:
            return "before-opening", None
    deal = None
    for event in book_order([*events, new_event]):
        if not allowed(deal, event):
            if event["position"] == new_event["position"]:
                return "not-allowed-now", None
            return "breaks-later-history", event["position"]
        deal = step(deal, event)
    return "ok", None


def allowed(deal: Deal | None, event: Event) -> bool:
    """The column "allowed when": the deal as it stands just before the event in book order."""
    if event["type"] == "DealOpened" or deal is None:
        return bool(event["type"] == "DealOpened" and deal is None)
    data = event["data"]
    status: str = deal["status"]
    is_open = status == "open"
    in_play = status in {"open", "suspended"}
    # An amendment standing before its action does not find it, and so is refused.
    action = deal["actions"].get(data.get("action_id"), {"live": False})
    live = bool(action["live"])
    claimed = live and bool(action["claimed"])

    match event["type"]:
        case "ActionPerformed" | "DealSuspended":
            return is_open
        case "ActionConfirmed":
            return is_open and claimed
        case "ActionRejected":
            return claimed  # whatever the status
        case "WeightChanged":
            # A setback is not re-weighted, and nothing is re-weighted into a setback.
            both_positive = live and action["weight"] > 0 and basis_points(data["weight"]) > 0
            return in_play and both_positive
        case "ActionWithdrawn":
            return in_play and live
        case "DealHandedOver":
            return in_play and bool(data["to_manager_id"] != deal["owner"])
        case "PotentialCheckRevised" | "ExpectedCloseRevised" | "DealWon" | "DealLost":
            return in_play
        case "DealResumed":
            return status == "suspended"
        case "DealReopened":
            return status in {"won", "lost"}
        case unknown:
            raise AssertionError(f"not an event of a deal: {unknown}")


# ------------------------------------------------------------------------------ reading the log


def basis_points(weight: str) -> int:
    """'-3.00' percent is -300."""
    return hundredths(weight)


def kopecks(money: dict[str, str]) -> int:
    return hundredths(money["amount"])


def hundredths(text: str) -> int:
    exact = Decimal(text) * 100
    assert exact == int(exact), f"finer than a hundredth: {text}"
    return int(exact)
