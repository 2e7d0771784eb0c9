"""On how few deals portfolios stand, as projections.reports.concentration has it, from columns."""

from collections.abc import Collection
from datetime import date
from itertools import pairwise

import numpy as np

from domain.values import ManagerId
from projections.reports.columns import Column, Ints, Rows, Tables
from projections.reports.concentration import Concentration, Concentrations
from projections.reports.overviews import Overviews
from projections.reports.postings import MANAGERS, Groups, code, whole


def concentrations_from_columns(
    tables: Tables,
    as_of: date,
    _position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    overviews: Overviews,
) -> Concentrations:
    """The same. Raises NotHeld."""
    people = tables.of(MANAGERS)
    deals, holdings = overviews.at(tables, as_of)
    theirs = deals.are_in(code(currency))[holdings.deal] & holdings.active.any(axis=1)
    if managers is not None:
        theirs &= people.are(managers)[people.places(holdings.manager)]
    deal, manager, active = (
        column[theirs] for column in (holdings.deal, holdings.manager, holdings.active)
    )
    company = Groups(deal)
    sums = company.halves(active)
    largest = _largest_first(sums, company.keys)
    order = _largest_first(active, deal, manager)
    numbered, told, amounts = manager[order], deal[order].tolist(), whole(active[order])
    firsts = np.flatnonzero(np.diff(numbered, prepend=-1))
    ends = [*firsts.tolist(), len(told)]
    return Concentrations(
        _concentration(company.keys[largest].tolist(), whole(sums[largest])),
        {
            people.called[number]: _concentration(told[first:behind], amounts[first:behind])
            for number, (first, behind) in zip(
                numbered[firsts].tolist(), pairwise(ends), strict=True
            )
        },
    )


def _largest_first(halved: Ints, *keys: Column) -> Rows:
    """By the last of the keys; then the largest amounts first; equal ones by the first key."""
    first, *last = keys
    order: Rows = np.lexsort((first, -halved[:, 1], -halved[:, 0], *last))
    return order


def _concentration(deals: list[int], amounts: list[int]) -> Concentration:
    return Concentration(deals, amounts, sum(amounts))
