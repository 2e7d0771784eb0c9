"""Small exact examples for the oracle: each figure here can be checked with a pencil.

The cast: Anna owns the deal, Boris and Vera help. The check is 400 million roubles, so that 1 %
is 4 million roubles; `M` is one basis point of it in the oracle's unit.
"""

from typing import Any

from tests.oracle import (
    deal_rows,
    fits,
    fold_deal,
    holdings,
    movement,
    portfolio,
    restatement,
    split,
)

M = 40_000_000_000  # kopecks of the check: one basis point of credit is worth this much
EVER = ("2026-12-31", 10**9)


def event(position: int, kind: str, on: str, deal_id: str = "D", **data: Any) -> dict[str, Any]:
    return {
        "position": position,
        "recorded_at": "2026-07-01T00:00:00Z",
        "type": kind,
        "stream_id": f"deal-{deal_id}",
        "deal_id": deal_id,
        "effective_on": f"2026-{on}",
        "actor": "anna",
        "data": data,
    }


def rub(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "RUB"}


def opened(position: int = 1, on: str = "01-10", check: str = "400000000.00", **more: Any) -> Any:
    data = {"title": "Press", "client": "Plant", "manager_id": "anna"}
    return event(position, "DealOpened", on, potential_check=rub(check), **(data | more))


def done(
    position: int, on: str, action_id: str, *, claimed: bool = False, **weights: str
) -> dict[str, Any]:
    return event(
        position,
        "ActionPerformed",
        on,
        action_id=action_id,
        action_type="tcp",
        credits=[{"manager_id": m, "weight": w} for m, w in weights.items()],
        needs_confirmation=claimed,
    )


def amend(position: int, kind: str, on: str, action_id: str, **data: Any) -> dict[str, Any]:
    return event(position, kind, on, action_id=action_id, **data)


def handed(position: int, on: str, to: str, *, transfer: bool) -> dict[str, Any]:
    return event(position, "DealHandedOver", on, to_manager_id=to, transfer_credit=transfer)


def deal_of(*events: dict[str, Any]) -> Any:
    return fold_deal(events, *EVER)


def credits_of(deal: Any) -> dict[str, list[tuple[str, int]]]:
    return {
        action_id: [(entry["manager_id"], entry["credit"]) for entry in action["entries"]]
        for action_id, action in deal["actions"].items()
    }


def test_the_rest_goes_to_the_largest_remainder_and_ties_to_the_earlier() -> None:
    assert split(100, [1, 1, 1]) == [34, 33, 33]
    assert split(10, [1, 2, 4]) == [1, 3, 6]  # remainders 3/7, 6/7, 5/7 and a rest of 2
    assert split(2, [1, 1, 1]) == [1, 1, 0]
    assert split(0, [0, 0]) == [0, 0]
    assert split(7, [0, 3]) == [0, 7]


def test_an_action_adds_its_weight_times_the_check() -> None:
    deal = deal_of(opened(), done(2, "01-20", "a", anna="5.00"))
    assert holdings(deal) == {("anna", "active"): 500 * M}  # 20 million roubles
    assert 500 * M == 20_000_000 * 100 * 10_000


def test_as_of_and_position_are_both_inclusive() -> None:
    events = [opened(), done(2, "01-20", "a", anna="5.00")]
    assert fold_deal(events, "2026-01-09", 2) is None
    assert fold_deal(events, "2026-01-20", 0) is None
    before, after = fold_deal(events, "2026-01-19", 2), fold_deal(events, "2026-01-20", 2)
    assert before is not None
    assert after is not None
    assert (before["progress"], after["progress"]) == (0, 500)


def test_the_cap_cuts_the_last_action_and_splits_what_is_left() -> None:
    deal = deal_of(
        opened(), done(2, "01-20", "a", anna="99.95"), done(3, "01-21", "b", anna="2.00", boris="1")
    )
    assert deal["progress"] == 10_000
    assert credits_of(deal)["b"] == [("anna", 3), ("boris", 2)]  # 5 in 2:1 is 3 1/3 and 1 2/3
    assert deal["actions"]["b"]["weight"] == 300


def test_a_setback_takes_in_proportion_and_gives_back_what_it_took() -> None:
    events = [
        opened(),
        done(2, "01-20", "a", anna="5.00", boris="2.00"),
        done(3, "01-21", "b", vera="3.00"),
        done(4, "01-22", "s", anna="-0.05"),
    ]
    deal = deal_of(*events)
    assert credits_of(deal) == {
        "a": [("anna", 497), ("boris", 199)],  # 5 of 500:200:300 is 2.5, 1 and 1.5: tie to anna
        "b": [("vera", 299)],
        "s": [("anna", 0)],
    }
    assert deal["actions"]["s"]["took"] == [("a", 0, 3), ("a", 1, 1), ("b", 0, 1)]
    deal = deal_of(*events, amend(5, "ActionWithdrawn", "01-23", "s"))
    assert (credits_of(deal)["a"], credits_of(deal)["b"]) == (
        [("anna", 500), ("boris", 200)],
        [("vera", 300)],
    )


def test_a_setback_never_takes_more_than_there_is() -> None:
    deal = deal_of(opened(), done(2, "01-20", "s", anna="-3.00"), done(3, "01-21", "a", anna="1"))
    assert deal["progress"] == 100
    deal = deal_of(opened(), done(2, "01-20", "a", anna="1"), done(3, "01-21", "s", anna="-3.00"))
    assert deal["progress"] == 0


def test_giving_back_stops_at_the_weight_of_the_action_and_skips_dead_ones() -> None:
    deal = deal_of(
        opened(),
        done(2, "01-20", "a", anna="4.00"),
        done(3, "01-20", "b", boris="4.00"),
        done(4, "01-21", "s", anna="-4.00"),
        amend(5, "WeightChanged", "01-22", "a", weight="3.00"),
        amend(6, "ActionWithdrawn", "01-22", "b"),
        amend(7, "ActionWithdrawn", "01-23", "s"),
    )
    assert credits_of(deal) == {"a": [("anna", 300)], "b": [("boris", 0)], "s": [("anna", 0)]}


def test_giving_back_stops_at_a_hundred_percent_the_earlier_first() -> None:
    deal = deal_of(
        opened(),
        done(2, "01-20", "a", anna="50.00"),
        done(3, "01-20", "b", boris="50.00"),
        done(4, "01-21", "s", anna="-10.00"),
        done(5, "01-22", "c", vera="4.00"),
        amend(6, "ActionWithdrawn", "01-23", "s"),
    )
    assert credits_of(deal)["a"] == [("anna", 5_000)]
    assert credits_of(deal)["b"] == [("boris", 4_600)]
    assert credits_of(deal)["c"] == [("vera", 400)]


def test_a_claim_is_worth_its_nominal_weight_until_confirmed() -> None:
    claim = [
        opened(),
        done(2, "01-20", "a", anna="99.00"),
        done(3, "01-21", "b", boris="5", claimed=True),
    ]
    assert holdings(deal_of(*claim))["boris", "claimed"] == 500 * M
    deal = deal_of(*claim, amend(4, "ActionConfirmed", "01-22", "b"))
    assert ("boris", "claimed") not in holdings(deal)
    assert holdings(deal)["boris", "active"] == 100 * M
    deal = deal_of(*claim, amend(4, "ActionRejected", "01-22", "b"))
    assert holdings(deal) == {("anna", "active"): 9_900 * M}


def test_a_claimed_setback_has_no_value_and_takes_when_confirmed() -> None:
    claim = [
        opened(),
        done(2, "01-20", "a", anna="5.00"),
        done(3, "01-21", "s", boris="-1", claimed=True),
    ]
    assert holdings(deal_of(*claim)) == {("anna", "active"): 500 * M}
    confirmed = deal_of(*claim, amend(4, "ActionConfirmed", "01-22", "s"))
    assert holdings(confirmed) == {("anna", "active"): 400 * M}


def test_raising_a_weight_grants_the_difference_only() -> None:
    deal = deal_of(
        opened(),
        done(2, "01-20", "a", anna="2.00", boris="1.00"),
        done(3, "01-21", "s", anna="-1.00"),
        amend(4, "WeightChanged", "01-22", "a", weight="4.00"),
    )
    # nominal 4 in 2:1 is 267 and 133; left after the setback 133 and 67; 100 more is 67 and 33
    assert [entry["weight"] for entry in deal["actions"]["a"]["entries"]] == [267, 133]
    assert credits_of(deal)["a"] == [("anna", 200), ("boris", 100)]


def test_lowering_a_weight_takes_only_the_excess() -> None:
    capped = [opened(), done(2, "01-20", "a", anna="98.00"), done(3, "01-21", "b", boris="5.00")]
    deal = deal_of(*capped, amend(4, "WeightChanged", "01-22", "b", weight="3.00"))
    assert credits_of(deal)["b"] == [("boris", 200)]
    deal = deal_of(*capped, amend(4, "WeightChanged", "01-22", "b", weight="1.00"))
    assert credits_of(deal)["b"] == [("boris", 100)]


def test_handover_moves_credit_and_claims_only_when_told_and_never_the_count_of_actions() -> None:
    events = [
        opened(),
        done(2, "01-20", "a", anna="2.00", boris="1.00"),
        done(3, "01-20", "b", anna="1.00", claimed=True),
    ]
    kept = portfolio([*events, handed(4, "01-22", "boris", transfer=False)], *EVER)["RUB"]
    assert (kept["anna"]["active"], kept["anna"]["claimed"]) == (200 * M, 100 * M)
    moved = portfolio([*events, handed(4, "01-22", "boris", transfer=True)], *EVER)["RUB"]
    assert (moved["boris"]["active"], moved["boris"]["claimed"]) == (300 * M, 100 * M)
    assert moved["boris"] | {"active": 0, "claimed": 0} == dict.fromkeys(moved["boris"], 0) | {
        "progress": 300,
        "actions": 1,
        "deals": 1,
    }
    dead = [
        *events,
        amend(4, "ActionRejected", "01-21", "b"),
        handed(5, "01-22", "boris", transfer=True),
    ]
    assert deal_of(*dead)["actions"]["b"]["entries"][0]["manager_id"] == "anna"
    assert moved["anna"] == dict.fromkeys(moved["anna"], 0) | {"actions": 2}


def test_a_manager_listed_twice_in_an_action_has_performed_it_once() -> None:
    twice = done(2, "01-20", "a", anna="2.00")
    twice["data"]["credits"] *= 2
    figures = portfolio([opened(), twice], *EVER)["RUB"]["anna"]
    assert (figures["progress"], figures["actions"], figures["deals"]) == (400, 1, 1)


def test_suspension_loss_and_reopening_move_value_between_accounts() -> None:
    events = [
        opened(),
        done(2, "01-20", "a", anna="5.00"),
        done(3, "01-20", "b", boris="1", claimed=True),
    ]
    suspended = [*events, event(4, "DealSuspended", "02-01")]
    assert holdings(deal_of(*suspended)) == {("anna", "suspended"): 500 * M}
    lost = [*suspended, event(5, "DealLost", "02-02")]
    assert holdings(deal_of(*lost)) == {("anna", "lost"): 500 * M}
    assert portfolio(lost, *EVER)["RUB"]["boris"]["actions"] == 1
    assert holdings(deal_of(*lost, event(6, "DealReopened", "02-03"))) == {
        ("anna", "active"): 500 * M,
        ("boris", "claimed"): 100 * M,
    }


def test_the_odd_kopeck_of_a_contract_goes_to_the_earliest_action_that_still_holds_credit() -> None:
    won = event(5, "DealWon", "02-01", contract=rub("0.05"))
    events = [
        opened(),
        done(2, "01-20", "a", anna="1.00"),
        done(3, "01-21", "b", boris="2.00"),
        done(4, "01-22", "c", anna="2.00"),
        amend(6, "ActionWithdrawn", "01-23", "a"),
        won,
    ]
    assert deal_of(*events)["won"] == {"boris": 3, "anna": 2}
    assert holdings(deal_of(*events)) == {("boris", "won"): 30_000, ("anna", "won"): 20_000}
    assert holdings(deal_of(opened(), won)) == {("anna", "won"): 50_000}
    assert deal_of(*events, event(7, "DealReopened", "02-02"))["won"] == {}


def test_an_amendment_of_the_same_day_follows_its_action_at_once() -> None:
    deal = deal_of(
        opened(),
        done(2, "01-20", "a", anna="60.00"),
        done(3, "01-20", "b", boris="60.00"),
        amend(4, "ActionWithdrawn", "01-20", "a"),
    )
    assert credits_of(deal)["b"] == [("boris", 6_000)]  # not cut to 40 %: the cap was never reached
    deal = deal_of(
        opened(),
        done(2, "01-20", "a", anna="60.00"),
        done(3, "01-20", "b", boris="60.00"),
        amend(4, "ActionWithdrawn", "01-21", "a"),
    )
    assert credits_of(deal)["b"] == [("boris", 4_000)]  # a day later: what the cap cost stays lost


def test_a_late_entry_restates_and_also_moves_what_later_steps_caused() -> None:
    log = [
        opened(),
        done(2, "02-10", "a", anna="60.00"),
        event(3, "PotentialCheckRevised", "03-10", potential_check=rub("500000000.00")),
        event(4, "TeamFounded", "03-11") | {"deal_id": None},
        done(5, "02-01", "late", boris="60.00"),
    ]
    opening, lines, closing = movement(log, "2026-02-05", "2026-03-31", 5)
    assert opening["active"] == 6_000 * M
    assert lines == {
        ("ActionPerformed", "active"): 4_000 * M,
        ("PotentialCheckRevised", "active"): 10_000 * M // 4,
    }
    assert closing["active"] == 10_000 * M * 5 // 4
    earlier, restated, later = restatement(log, "2026-02-28", 2, 5)
    assert earlier["active"] == 6_000 * M
    assert restated == {(5, "boris", "active"): 6_000 * M, (5, "anna", "active"): -2_000 * M}
    assert later["active"] == 10_000 * M
    assert restatement(log, "2026-02-28", 2, 5, ["anna"])[2]["active"] == 4_000 * M
    # the day of `from` is in the opening already, the day of `to` is in the lines
    assert movement(log, "2026-02-10", "2026-03-09", 5)[1] == {}
    assert movement(log, "2026-02-09", "2026-02-10", 5)[1] == {
        ("ActionPerformed", "active"): 4_000 * M
    }
    assert movement(log, "2026-02-05", "2026-03-31", 5, [])[1] == {}
    assert movement(log, "2026-02-05", "2026-03-31", 5, currency="EUR")[1] == {}


def test_a_row_per_deal_where_the_manager_has_value_progress_or_a_part() -> None:
    log = [
        opened(),
        done(2, "01-20", "a", anna="2.00", boris="1.00"),
        done(3, "01-21", "s", anna="-3.00"),
    ]
    rows = deal_rows(log, "anna", *EVER)["RUB"]
    assert rows == [
        {"deal_id": "D", "status": "open", "check": M, "deal_progress": 0, "credit": 0}
        | dict.fromkeys(("active", "claimed", "suspended", "lost", "won"), 0)
    ]
    assert deal_rows(log, "boris", *EVER) == {}
    assert portfolio(log, *EVER)["RUB"]["boris"]["actions"] == 1


def test_what_does_not_fit_is_refused_at_its_place() -> None:
    events = [
        opened(),
        done(2, "01-20", "a", anna="5.00"),
        done(3, "01-21", "s", anna="-1.00"),
        event(4, "DealSuspended", "02-01"),
    ]
    assert fits([], opened()) == ("ok", None)
    for refused in (
        opened(5, "03-01"),
        done(5, "02-02", "b", anna="1"),
        event(5, "DealReopened", "02-02"),
        handed(5, "02-02", "anna", transfer=True),
        amend(5, "ActionConfirmed", "02-02", "a"),
        amend(5, "ActionWithdrawn", "01-19", "a"),
        amend(5, "ActionWithdrawn", "02-02", "nowhere"),
        amend(5, "WeightChanged", "02-02", "a", weight="-1.00"),
        amend(5, "WeightChanged", "02-02", "s", weight="1.00"),
    ):
        assert fits(events, refused) == ("not-allowed-now", None), refused
    for accepted in (
        done(5, "01-31", "b", anna="1"),
        done(5, "01-10", "b", anna="1"),
        handed(5, "02-02", "boris", transfer=True),
        amend(5, "ActionWithdrawn", "01-20", "a"),
        amend(5, "WeightChanged", "02-02", "a", weight="6.00"),
        event(5, "DealWon", "02-02", contract=rub("1.00")),
    ):
        assert fits(events, accepted) == ("ok", None), accepted
    assert fits(events, done(5, "01-09", "b", anna="1")) == ("before-opening", None)


def test_what_breaks_later_history_names_the_first_event_broken() -> None:
    events = [
        opened(),
        done(3, "01-20", "a", anna="5.00", claimed=True),
        amend(4, "ActionConfirmed", "01-25", "a"),
        handed(5, "02-01", "boris", transfer=False),
    ]
    assert fits(events, event(6, "DealLost", "01-15")) == ("breaks-later-history", 3)
    assert fits(events, event(6, "DealLost", "01-20")) == ("breaks-later-history", 4)
    assert fits(events, amend(6, "ActionRejected", "01-21", "a")) == ("breaks-later-history", 4)
    late = handed(6, "01-11", "boris", transfer=True)
    assert fits(events, late) == ("breaks-later-history", 5)
    assert fits(events, event(6, "DealLost", "02-01")) == ("ok", None)


def test_a_rejection_is_allowed_in_a_closed_deal_and_leaves_the_contract_alone() -> None:
    won = [
        opened(),
        done(2, "01-20", "a", anna="5.00", claimed=True),
        event(3, "DealWon", "02-01", contract=rub("100.00")),
    ]
    rejection = amend(4, "ActionRejected", "02-02", "a")
    assert fits(won, rejection) == ("ok", None)
    assert fits(won, amend(4, "ActionWithdrawn", "02-02", "a")) == ("not-allowed-now", None)
    assert holdings(deal_of(*won, rejection)) == {("anna", "won"): 100_000_000}


def test_an_amendment_of_a_later_day_stands_before_that_days_other_events() -> None:
    """The literal book order, surprising or not: by the action's position, whatever its date."""
    events = [
        opened(),
        done(2, "01-20", "a", anna="5.00"),
        event(3, "DealLost", "02-01"),
        event(4, "DealReopened", "02-05"),
    ]
    withdrawal = amend(5, "ActionWithdrawn", "02-05", "a")
    assert fits(events, withdrawal) == ("not-allowed-now", None)
    assert fits(events, withdrawal | {"effective_on": "2026-02-06"}) == ("ok", None)
