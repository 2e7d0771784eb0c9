"""What stands still, as projections.reports.stalled has it, from columns in memory."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date

import numpy as np

from domain.values import ActionTypeCode, ManagerId
from projections.reports.columns import Ints, Tables, day_of, number_of
from projections.reports.overviews import DealColumns, HoldingColumns, Overviews, live
from projections.reports.postings import (
    EVENTS,
    MANAGERS,
    Bools,
    Groups,
    action_types,
    code,
    numbered,
    whole,
)
from projections.reports.stalled import (
    FEWEST_GAPS,
    Pace,
    Stake,
    Stalled,
    Standstill,
    Sum,
)
from projections.reports.standings import NO_DAY, OPEN

_TYPES = 2**15
"""There are fewer types of actions."""


def standstill_from_columns(
    tables: Tables,
    as_of: date,
    _position: int,
    currency: str,
    pace: Pace,
    seen: Collection[ManagerId] | None,
    most: int,
    overviews: Overviews,
) -> Standstill:
    """The same. Raises NotHeld."""
    people, today = tables.of(MANAGERS), number_of(as_of)
    called = people.called
    deals, holdings = overviews.at(tables, as_of)
    still = _still(deals, today, pace) & (deals.currency == code(currency))
    if seen is not None:
        part = (holdings.deals != 0) | (holdings.actions != 0)
        part &= people.are(seen)[people.places(holdings.manager)]
        still &= numbered(holdings.deal[part], deals.deal)[deals.deal]
    row = np.flatnonzero(still)
    theirs = (holdings.deals != 0) & numbered(deals.deal[row], deals.deal)[holdings.deal]
    held = HoldingColumns(*(column[theirs] for column in holdings))
    at_stake = Groups(held.deal).halves(held.active + held.claimed)  # all have one: their owners
    order = np.lexsort((row, deals.silent_since[row], -at_stake[:, 1], -at_stake[:, 0]))
    shown = row[order][:most]
    stakes = _stakes(held, deals.deal[shown], called)
    types = _types(tables, deals.deal[shown], today)
    return Standstill(
        Sum(int(still.sum()), sum(whole(held.active)), sum(whole(held.claimed))),
        _by_manager(held, called),
        [
            _stalled(
                deals, place, today, called[int(deals.owner[place])], stakes[deal], types[deal]
            )
            for deal, place in zip(deals.deal[shown].tolist(), shown.tolist(), strict=True)
        ],
    )


def _still(deals: DealColumns, today: int, pace: Pace) -> Bools:
    """Silent for the least number of days, and for longer than is usual where that is known."""
    silent = today - deals.silent_since
    usual = (deals.gaps >= FEWEST_GAPS) & (silent <= pace.factor * deals.median_gap)
    still: Bools = (deals.status == OPEN) & (silent >= pace.minimum_days) & ~usual
    return still


def _stalled(
    deals: DealColumns,
    place: int,
    today: int,
    owner: ManagerId,
    stakes: Mapping[ManagerId, Stake],
    types: Mapping[ActionTypeCode, int],
) -> Stalled:
    expected, gaps = int(deals.expected[place]), int(deals.gaps[place])
    since = int(deals.silent_since[place])
    return Stalled(
        position=int(deals.deal[place]),
        owner=owner,
        check=int(deals.check[place]),
        progress=int(deals.progress[place]),
        expected_close_on=None if expected == NO_DAY else day_of(expected),
        stakes=stakes,
        silent_since=day_of(since),
        silent_days=today - since,
        gaps=gaps,
        median_gap=int(deals.median_gap[place]) if gaps >= FEWEST_GAPS else None,
        last_action=int(deals.last_action[place]) or None,
        done=types,
    )


def _by_manager(held: HoldingColumns, called: Mapping[int, ManagerId]) -> Mapping[ManagerId, Sum]:
    groups = Groups(held.manager)
    sums = groups.counts(held.deals).tolist(), groups.sums(held.active), groups.sums(held.claimed)
    return {
        called[manager]: Sum(*of_all)
        for manager, *of_all in zip(groups.keys.tolist(), *sums, strict=True)
    }


def _stakes(
    held: HoldingColumns, deals: Ints, called: Mapping[int, ManagerId]
) -> Mapping[int, Mapping[ManagerId, Stake]]:
    """Of some deals: whoever it counts for."""
    rows = np.flatnonzero(np.isin(held.deal, deals))
    stakes: dict[int, dict[ManagerId, Stake]] = defaultdict(dict)
    for deal, manager, active, claimed in zip(
        held.deal[rows].tolist(),
        held.manager[rows].tolist(),
        whole(held.active[rows]),
        whole(held.claimed[rows]),
        strict=True,
    ):
        stakes[deal][called[manager]] = Stake(active, claimed)
    return stakes


def _types(tables: Tables, deals: Ints, day: int) -> Mapping[int, Mapping[ActionTypeCode, int]]:
    """Of some deals: how many live actions there are of each type."""
    events, codes = tables.of(EVENTS), action_types(tables.cursor)
    done = live(events, events.known(events.of_deals(np.sort(deals)), day, tables.position))
    keys = events.deal[done].astype(np.int64) * _TYPES + events.action_type[done]
    kinds, numbers = np.unique(keys, return_counts=True)
    found: dict[int, dict[ActionTypeCode, int]] = defaultdict(dict)
    for kind, number in zip(kinds.tolist(), numbers.tolist(), strict=True):
        deal, type_ = divmod(kind, _TYPES)
        if type_:
            found[deal][codes[type_ - 1]] = number
    return found
