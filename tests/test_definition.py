"""The fold and its postings against the oracle, on over a thousand drawn histories; no database.

The oracle (oracle.py) has read the design a second time. Everything is compared exactly.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Context, Decimal
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deal import Action, Deal
from domain.errors import BeforeOpening, BreaksLaterHistory, NotAllowedNow
from domain.events import (
    ActionPerformed,
    ActionWithdrawn,
    Credit,
    DealEvent,
    DealOpened,
    DealWon,
    Recorded,
    decode,
    encode,
)
from domain.history import RECENT, DealState, history_of, in_book_order, replay, state_at, steps
from domain.ledger import Posting, credits_of, difference, holdings
from domain.values import (
    WHOLE,
    Account,
    ActionId,
    ActionTypeCode,
    ManagerId,
    Money,
    decimal_text,
    split,
    value_text,
)
from tests import oracle
from tests.histories import (
    CALENDAR,
    NOON,
    Plot,
    Point,
    Story,
    Tried,
    cast_of,
    examples,
    play,
    plots,
    points,
    to_public,
)

Publics = list[dict[str, Any]]


# ---------------------------------------------------------------------------- what is accepted


@given(plots())
@examples(600)
def test_a_command_is_accepted_or_refused_as_the_rules_of_the_books_say(plot: Plot) -> None:
    streams: dict[object, Publics] = defaultdict(list)
    for tried in play(plot).tried:
        stream, public = streams[tried.fact.originator_id], to_public(tried.fact)
        assert outcome(tried) == oracle.fits(stream, public)
        if tried.recording is not None:
            stream.append(public)


def outcome(tried: Tried) -> tuple[str, int | None]:
    """In the oracle's words."""
    match tried.refusal:
        case None:
            return "ok", None
        case BeforeOpening():
            return "before-opening", None
        case NotAllowedNow():
            return "not-allowed-now", None
        case BreaksLaterHistory(broken=broken):
            return "breaks-later-history", broken.position
        case other:
            raise other


# ---------------------------------------------------------------------------- the state of a deal


@given(plots(), points())
@examples(600)
def test_a_deal_at_any_point_stands_as_the_oracle_folds_it(plot: Plot, asked: list[Point]) -> None:
    story = play(plot)
    for facts in story.by_deal.values():
        publics = [to_public(fact) for fact in facts]
        for as_of, position in _at(asked, story):
            deal = state_at(facts, as_of, position)
            expected = oracle.fold_deal(publics, as_of.isoformat(), position)
            assert described(deal) == described_by_the_oracle(expected)
            assert figures_of(deal) == (oracle.figures_of(expected) if expected else {})


@given(plots())
@examples(300)
def test_no_credit_is_ever_below_nothing_above_its_weight_or_above_the_whole(plot: Plot) -> None:
    for tried in play(plot).tried:
        if tried.recording is None:
            continue
        deal = tried.recording.history.deal
        assert 0 <= deal.progress <= WHOLE
        assert deal.progress == sum(action.credit for action in deal.actions.values())
        for action in deal.actions.values():
            assert all(entry.credit >= 0 for entry in action.entries)
            assert action.credit <= max(0, action.weight)
            assert action.credit == 0 or (action.live and not action.claimed)
        for held in holdings(deal).values():
            assert min(held) >= 0


def test_what_a_setback_gives_back_stops_at_the_whole_of_the_deal() -> None:
    """60 %, and 40 of 49 %; 3 % are lost, 2 % gained meanwhile: there is room for 1 of the 3."""
    deals = _told(done(1, 6_000), done(2, 4_900), done(3, -300), done(4, 200), withdrawn(3))
    assert [deal.progress for deal in deals] == [0, 6_000, 10_000, 9_700, 9_900, 10_000]
    assert [action.credit for action in deals[-1].actions.values()] == [5_920, 3_880, 0, 200]


def test_the_odd_kopeck_of_a_contract_goes_by_the_earliest_action_that_still_holds_credit() -> None:
    """Not by the first action ever, and not by name."""
    won = DealWon(contract=Money(amount=101, currency="RUB"))
    *_, deal = _told(done(1, 500, "boris"), done(2, 500, "anna"), won)
    assert _won(deal) == {"boris": 51, "anna": 50}
    again = done(3, 500, "boris")
    *_, deal = _told(done(1, 500, "boris"), done(2, 500, "anna"), again, withdrawn(1), won)
    assert _won(deal) == {"anna": 51, "boris": 50}


def _told(*events: DealEvent) -> list[Deal]:
    """Anna's deal after its opening and each of `events`, one a day."""
    money = Money(amount=40_000_000_000, currency="RUB")
    opened = DealOpened(
        title="Пресс", client="Завод", potential_check=money, manager_id=ManagerId("anna")
    )
    facts = [
        Recorded(UUID(int=1), number, number, NOON, "anna", CALENDAR[number], event)
        for number, event in enumerate((opened, *events), 1)
    ]
    return [step.deal for step in steps(in_book_order(facts))]


def _won(deal: Deal) -> dict[str, int]:
    """In kopecks."""
    return {
        manager: held.amount // 10_000
        for (manager, account), held in holdings(deal).items()
        if account is Account.WON
    }


def done(number: int, weight: int, who: str = "anna") -> ActionPerformed:
    return ActionPerformed(
        action_id=ActionId(UUID(int=number)),
        action_type=ActionTypeCode("proposal"),
        credits=(Credit(manager_id=ManagerId(who), weight=weight),),
        needs_confirmation=False,
    )


def withdrawn(number: int) -> ActionWithdrawn:
    return ActionWithdrawn(action_id=ActionId(UUID(int=number)), reason="ошибка")


def described(deal: Deal | None) -> Any:
    if deal is None:
        return None
    return {
        "status": deal.status.value,
        "owner": deal.owner,
        "check": deal.check,
        "currency": deal.currency,
        "expected_close_on": deal.expected_close_on and deal.expected_close_on.isoformat(),
        "progress": deal.progress,
        "actions": {str(action.action_id): _action(action) for action in deal.actions.values()},
    }


def _action(action: Action) -> Any:
    """What a dead action once weighed or took counts no more, and may be kept or not."""
    if not action.live:
        return "dead"
    took = [(str(taking.action_id), taking.entry, taking.amount) for taking in action.took]
    return action.weight, action.claimed, [tuple(entry) for entry in action.entries], took


def described_by_the_oracle(deal: Any) -> Any:
    if deal is None:
        return None
    actions = {
        action_id: (
            action["weight"],
            action["claimed"],
            [tuple(entry.values()) for entry in action["entries"]],
            action["took"],
        )
        if action["live"]
        else "dead"
        for action_id, action in deal["actions"].items()
    }
    kept = ("status", "owner", "check", "currency", "expected_close_on", "progress")
    return {name: deal[name] for name in kept} | {"actions": actions}


def figures_of(deal: Deal | None) -> dict[str, dict[str, int]]:
    """What the deal is worth to whom, as the oracle writes it."""
    managers: dict[str, dict[str, int]] = {}
    for (manager, account), held in holdings(deal).items():
        figures = managers.setdefault(manager, dict.fromkeys(oracle.FIGURES, 0))
        figures[account.value] += held.amount
        for name in ("progress", "actions", "deals"):
            figures[name] += getattr(held, name)
    return without_zeros(managers)


# ---------------------------------------------------------------------------- the postings


@given(plots(), points())
@examples(400)
def test_the_postings_sum_to_the_portfolio_at_any_point(plot: Plot, asked: list[Point]) -> None:
    story = play(plot)
    log = [to_public(fact) for fact in story.log]
    for as_of, position in _at(asked, story):
        known = [
            line
            for line in story.postings
            if line.effective_on <= as_of and line.position <= position
        ]
        assert summed(known) == oracle.portfolio(log, as_of.isoformat(), position)
        held = _sums(known, lambda line: (line.deal_id, line.manager_id), lambda line: line.credit)
        assert held == {
            (deal_id, manager): credit
            for deal_id, facts in story.by_deal.items()
            if (deal := state_at(facts, as_of, position))
            for manager, credit in credits_of(deal).items()
        }


@given(plots(), points(2), st.sets(st.sampled_from(cast_of(0))), st.sampled_from(("RUB", "USD")))
@examples(200)
def test_the_movement_between_two_dates_is_what_each_kind_of_step_did_in_between(
    plot: Plot, asked: list[Point], managers: set[str], currency: str
) -> None:
    story = play(plot)
    log = [to_public(fact) for fact in story.log]
    first, last = sorted(point.as_of for point in asked)
    position = asked[0].position(0, len(log))
    everybody = not managers
    known = [
        line
        for line in story.postings
        if line.position <= position
        and line.currency == currency
        and (everybody or line.manager_id in managers)
    ]
    opening = _accounts(line for line in known if line.effective_on <= first)
    closing = _accounts(line for line in known if line.effective_on <= last)
    between = [line for line in known if first < line.effective_on <= last]
    lines = _sums(between, lambda line: (line.due_cause, line.account.value), _amount)

    expected = oracle.movement(
        log, first.isoformat(), last.isoformat(), position, managers or None, currency
    )
    assert (opening, lines, closing) == expected
    for account in oracle.ACCOUNTS:
        moved = sum(amount for (_, where), amount in lines.items() if where == account)
        assert opening[account] + moved == closing[account]


@given(plots(16, 24), points(2), st.sets(st.sampled_from(cast_of(0))))
@examples(100)
def test_the_restatement_of_a_date_is_what_each_event_learnt_in_between_changed(
    plot: Plot, asked: list[Point], managers: set[str]
) -> None:
    story = play(plot)
    log = [to_public(fact) for fact in story.log]
    as_of = asked[0].as_of
    first, last = sorted(point.position(0, len(log)) for point in asked)
    everybody = not managers
    holding = [
        line
        for line in story.postings
        if line.effective_on <= as_of
        and line.currency == "RUB"
        and (everybody or line.manager_id in managers)
    ]
    earlier = _accounts(line for line in holding if line.position <= first)
    later = _accounts(line for line in holding if line.position <= last)
    learnt = [line for line in holding if first < line.position <= last]
    lines = _sums(
        learnt, lambda line: (line.position, line.manager_id, line.account.value), _amount
    )

    expected = oracle.restatement(log, as_of.isoformat(), first, last, managers or None)
    assert (earlier, lines, later) == expected


@given(plots())
@examples(200)
def test_an_entry_in_time_posts_its_own_step_only_and_a_late_one_nothing_before_its_day(
    plot: Plot,
) -> None:
    newest: dict[object, tuple[date, int, int]] = {}
    shown: dict[object, object] = {}
    for tried in play(plot).tried:
        if tried.recording is None:
            continue
        fact, postings, states = tried.fact, tried.recording.postings, tried.recording.states
        last = tried.recording.history.last
        is_last = newest.get(fact.originator_id) != last
        newest[fact.originator_id] = last
        assert {line.position for line in postings} <= {fact.position}
        assert fact.effective_on is not None
        assert all(line.effective_on >= fact.effective_on for line in postings)
        assert all(row.effective_on >= fact.effective_on for row in states)
        if is_last:
            assert {line.due_position for line in postings} <= {fact.position}
            assert [row.effective_on for row in states] == [fact.effective_on]
        for row in states:
            day = row.deal_id, row.effective_on
            assert is_last or shown.get(day) != row[3:]
            shown[day] = row[3:]
        by_step = [(line.due_position, line.manager_id, line.account) for line in postings]
        assert len(set(by_step)) == len(by_step)


# ---------------------------------------------------------------------------- the rows of states


@given(plots(), points())
@examples(200)
def test_the_last_row_known_for_a_day_shows_the_deal_as_it_stood(
    plot: Plot, asked: list[Point]
) -> None:
    story = play(plot)
    keys = [(row.deal_id, row.effective_on, row.position) for row in story.states]
    assert len(set(keys)) == len(keys)
    for deal_id, facts in story.by_deal.items():
        for as_of, position in _at(asked, story):
            rows = [
                row
                for row in story.states
                if row.deal_id == deal_id and row.effective_on <= as_of and row.position <= position
            ]
            row = max(rows, key=lambda row: (row.effective_on, row.position), default=None)
            deal = state_at(facts, as_of, position)
            assert (row and row[3:]) == (deal and columns(deal))


def columns(deal: Deal) -> tuple[object, ...]:
    """The columns of a DealState behind the first three."""
    return deal.status, deal.owner, deal.check, deal.progress, deal.expected_close_on


@given(plots())
@examples(200)
def test_what_a_step_changed_is_the_difference_of_what_was_held(plot: Plot) -> None:
    for facts in play(plot).by_deal.values():
        before = None
        for step in steps(in_book_order(facts)):
            assert step.change == difference(holdings(before), holdings(step.deal))
            before = step.deal


# ---------------------------------------------------------------------------- once more


@given(plots())
@examples(200)
def test_a_replay_of_the_log_writes_what_was_written_first(plot: Plot) -> None:
    story = play(plot)
    for deal_id, facts in story.by_deal.items():
        postings, states = list[Posting](), list[DealState]()
        for recording in replay(facts):
            postings += recording.postings
            states += recording.states
        assert postings == [line for line in story.postings if line.deal_id == deal_id]
        assert states == [row for row in story.states if row.deal_id == deal_id]


@given(plots())
@examples(200)
def test_a_history_read_from_its_stream_is_the_history_that_was_recorded(plot: Plot) -> None:
    story = play(plot)
    for deal_id, facts in story.by_deal.items():
        assert history_of(facts) == story.histories[deal_id]


@given(plots())
@examples(200)
def test_every_event_survives_the_log_unchanged(plot: Plot) -> None:
    for fact in play(plot).log:
        stored = encode(fact)
        read = decode(fact.originator_id, fact.originator_version, fact.type, stored)
        assert read == fact
        assert encode(read) == stored


# ---------------------------------------------------------------------------- splitting a whole

_AROUND = [10**digits + more for digits in range(20) for more in (-1, 0, 1)]


@given(st.one_of(st.sampled_from(_AROUND), st.integers(0, 10**20)), st.sampled_from((1, -1)))
@examples(500)
def test_amounts_are_told_exactly_with_two_decimals_or_as_many_as_they_need(
    digits: int, sign: int
) -> None:
    number = sign * digits
    assert decimal_text(number) == f"{Decimal(number).scaleb(-2, _EXACT):.2f}"
    whole, _, rest = f"{Decimal(number).scaleb(-6, _EXACT):.6f}".partition(".")
    assert value_text(number) == f"{whole}.{rest[:2]}{rest[2:].rstrip('0')}"


_EXACT = Context(prec=40)
_SHARES = st.lists(st.one_of(st.integers(0, 12), st.integers(0, WHOLE)), min_size=1, max_size=8)


@given(st.one_of(st.integers(0, 40), st.integers(0, 10**14)), _SHARES.filter(any))
@examples(500)
def test_a_split_is_exact_fair_and_gives_ties_to_the_earlier(whole: int, shares: list[int]) -> None:
    parts, total = split(whole, shares), sum(shares)
    assert sum(parts) == whole
    assert parts == oracle.split(whole, shares)
    for part, share in zip(parts, shares, strict=True):
        assert 0 <= part * total - whole * share + total < 2 * total  # less than one off
        if whole <= total:
            assert part <= share
    extra = [(part * total > whole * share) for part, share in zip(parts, shares, strict=True)]
    remainders = [whole * share % total for share in shares]
    for i, j in combinations(range(len(shares)), 2):
        if remainders[i] == remainders[j] != 0:
            assert extra[i] >= extra[j]
        elif extra[i] and not extra[j]:
            assert remainders[i] > remainders[j]
        elif extra[j] and not extra[i]:
            assert remainders[j] > remainders[i]


@pytest.mark.parametrize(
    ("whole", "shares", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (200, [1, 1, 1], [67, 67, 66]),
        (10, [1, 2, 4], [1, 3, 6]),
        (1, [1, 9], [0, 1]),
        (7, [0, 3], [0, 7]),
        (0, [1, 2], [0, 0]),
        (33_333_333_333, [500, 500], [16_666_666_667, 16_666_666_666]),
    ],
)
def test_the_rest_goes_to_the_largest_remainder(
    whole: int, shares: list[int], parts: list[int]
) -> None:
    assert split(whole, shares) == parts


# ---------------------------------------------------------------------------- what was drawn


def test_the_drawn_histories_hold_everything_that_a_rule_speaks_of() -> None:
    """What the tests above say would be empty if these things never came up."""
    seen: dict[str, int] = defaultdict(int)

    @given(plots())
    @examples(600)
    def collect(plot: Plot) -> None:
        _take_note(seen, plot)

    collect()
    for rule in RULES:
        assert seen[rule] >= 5, (rule, dict(seen))


RULES = (
    "late", "later than what a history remembers", "a late entry changes later steps",
    "same day amendment", "cap", "three managers", "taken", "given back",
    "given back up to the cap", "not-allowed-now", "before-opening",
    "breaks-later-history", "won twice", "transferred", "claim on a deal that is not open",
)  # fmt: skip


def _take_note(seen: dict[str, int], plot: Plot) -> None:
    story = play(plot)
    for tried in story.tried:
        seen[outcome(tried)[0]] += 1
        if tried.recording is None:
            continue
        fact, deal = tried.fact, tried.recording.history.deal
        kind, data = fact.type, to_public(fact)["data"]
        behind = tried.recording.history.version - tried.recording.history.events.index(fact) - 1
        late = behind > 0
        steps = {line.due_position for line in tried.recording.postings}
        action = deal.actions.get(getattr(fact.event, "action_id", None))  # type: ignore[arg-type]
        seen["late"] += late
        seen["later than what a history remembers"] += behind >= RECENT
        seen["a late entry changes later steps"] += bool(late and steps - {fact.position})
        seen["cap"] += deal.progress == WHOLE
        seen["three managers"] += len(data.get("credits", [])) == 3
        seen["taken"] += bool(action and action.took)
        seen["transferred"] += bool(data.get("transfer_credit"))
        seen["claim on a deal that is not open"] += not deal.is_open and any(
            action.claimed and action.live for action in deal.actions.values()
        )
        if action and kind in oracle.AMENDMENTS:
            seen["same day amendment"] += action.effective_on == fact.effective_on
            if kind == "ActionWithdrawn" and action.is_setback:
                seen["given back"] += 1
                seen["given back up to the cap"] += deal.progress == WHOLE
        seen["won twice"] += kind == "DealWon" and fact.originator_version > 10


# ---------------------------------------------------------------------------- helpers


def _at(asked: Iterable[Point], story: Story) -> list[tuple[date, int]]:
    return [(point.as_of, point.position(0, len(story.log))) for point in asked]


def summed(postings: Iterable[Posting]) -> dict[str, dict[str, dict[str, int]]]:
    """By currency and manager, as the oracle's portfolio."""
    currencies: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for line in postings:
        managers = currencies[line.currency]
        figures = managers.setdefault(line.manager_id, dict.fromkeys(oracle.FIGURES, 0))
        figures[line.account.value] += line.amount
        for name in ("progress", "actions", "deals"):
            figures[name] += getattr(line, name)
    shown = {currency: without_zeros(managers) for currency, managers in currencies.items()}
    return {currency: managers for currency, managers in shown.items() if managers}


def without_zeros(managers: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {manager: figures for manager, figures in managers.items() if any(figures.values())}


def _accounts(postings: Iterable[Posting]) -> dict[str, int]:
    sums = _sums(postings, lambda line: line.account, _amount)
    return {account: sums.get(Account(account), 0) for account in oracle.ACCOUNTS}


def _amount(line: Posting) -> int:
    return line.amount


def _sums(
    postings: Iterable[Posting], key: Callable[[Posting], Any], amount: Callable[[Posting], int]
) -> dict[Any, int]:
    """Non-zero sums by key."""
    sums: dict[Any, int] = defaultdict(int)
    for line in postings:
        sums[key(line)] += amount(line)
    return {name: total for name, total in sums.items() if total}
