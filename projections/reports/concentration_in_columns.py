"""What is active by manager and deal, as projections.reports.concentration has it, from columns."""

from collections.abc import Collection
from datetime import date
from typing import Any

import numpy as np
from psycopg import Cursor

from domain.values import ManagerId
from projections.reports.concentration import Amounts
from projections.reports.overviews import Overviews
from projections.reports.postings import code, manager_ids, numbers_of, whole


def active_from_columns(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    overviews: Overviews,
) -> Amounts:
    """The same. Raises NotHeld."""
    called = manager_ids(cursor)
    deals, holdings = overviews.at(cursor, as_of, position)
    theirs = np.isin(holdings.deal, deals.deal[deals.currency == code(currency)])
    theirs &= holdings.active.any(axis=1)
    if managers is not None:
        theirs &= np.isin(holdings.manager, numbers_of(called, managers))
    found: dict[ManagerId, dict[int, int]] = {}
    for deal, manager, amount in zip(
        holdings.deal[theirs].tolist(),
        holdings.manager[theirs].tolist(),
        whole(holdings.active[theirs]),
        strict=True,
    ):
        found.setdefault(called[manager], {})[deal] = amount
    return found
