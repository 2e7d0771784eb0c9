"""How good was it? Every quarter that is over, foreseen as on its eve, beside what happened.

On the eve of a quarter only what was recorded by the end of that day is known. What happened is
what is known now: the contracts, in that quarter, of those deals that were in progress on its eve.
Deals that were opened later could not be foreseen, and are told apart.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from projections.reports.chances import Chance, Knowledge, Sources
from projections.reports.columns import number_of
from projections.reports.distribution import LEVELS, Distribution, convolved, nothing, pinball
from projections.reports.kept import Kept
from projections.reports.spans import Span, day_before


class Quarter(NamedTuple):
    """Amounts in minor units; `position` is what was known on the eve, and of so many `deals`.
    `says_nothing`: history was too small, so that chances were progress. `inside`: what happened is
    from P10 to P90, both inclusive. `crps` is of the foreseen distribution, `crps_of_progress` of
    the one that takes progress for the chance, whatever history says.
    """

    first_day: date
    last_day: date
    position: int
    deals: int
    says_nothing: bool
    expected: int
    levels: tuple[int, ...]
    nothing: float
    happened: int
    unforeseen: int
    inside: bool
    losses: tuple[float, ...]
    crps: float
    crps_of_progress: float


Scored = tuple[Quarter, ...]
"""One; none where nothing was in progress on the eve."""


class Record(NamedTuple):
    """What a record is made of: the position at the end of each eve, that of the question, which is
    none before them, and the last one up to it, by day, from which on nothing more was learnt that
    holds by the day. So what is `kept` of a quarter, by the `currency` of the sources, stays true
    until that moves.
    """

    sources: Callable[[], Sources]
    currency: str
    known_then: Mapping[date, int]
    position: int
    learnt: Callable[[date], int]
    kept: Kept[Hashable, Scored]

    def of(self, quarters: Mapping[Span, Collection[int] | None]) -> list[Quarter]:
        """Each of `quarters` with the owners whose deals count, None: all. A quarter on whose eve
        nothing was in progress is left out.
        """
        return [one for span, owners in quarters.items() for one in self._of(span, owners)]

    def _of(self, span: Span, owners: Collection[int] | None) -> Scored:
        eve = day_before(span[0])
        then = self.known_then[eve]
        whose = None if owners is None else frozenset(owners)
        key = self.currency, span, then, whose, self.learnt(span[1])
        scored = self.kept.find(key)
        if scored is None:
            sources = self.sources()
            known, now = sources.at(eve, then), sources.at(span[1], self.position)
            chances = known.chances([span[1]], owners)
            scored = (_scored(span, known, chances, now, owners),) if chances else ()
            self.kept.keep(key, scored)
        return scored


def _scored(
    span: Span,
    known: Knowledge,
    chances: list[Chance],
    now: Knowledge,
    owners: Collection[int] | None,
) -> Quarter:
    told = _sum(chances)
    plain = _sum(replace(known, plain=True).chances([span[1]], {one.owner for one in chances}))
    foreseen, others = _happened(span, chances, now, owners)
    levels = tuple(map(told.quantile, LEVELS))
    return Quarter(
        *span,
        known.position,
        len(chances),
        known.says_nothing,
        round(sum(one.expected for one in chances)),
        levels,
        nothing([one.chances[0] for one in chances]),
        foreseen,
        others,
        levels[0] <= foreseen <= levels[-1],
        tuple(pinball(level, at, foreseen) for level, at in zip(LEVELS, levels, strict=True)),
        told.crps(foreseen),
        plain.crps(foreseen),
    )


def _sum(chances: Sequence[Chance]) -> Distribution:
    return convolved([one.value for one in chances], [one.chances[0] for one in chances])


def _happened(
    span: Span, chances: Sequence[Chance], now: Knowledge, owners: Collection[int] | None
) -> tuple[int, int]:
    """What was won in the quarter of the deals that were in progress on its eve; and of others."""
    first, deals, told = number_of(span[0]), {one.deal for one in chances}, now.standings
    foreseen = others = 0
    for deal, row in now.wins.items():
        if told.day[row] < first:
            continue
        if deal in deals:
            foreseen += now.contract_of(deal)
        elif owners is None or int(told.owner[row]) in owners:
            others += now.contract_of(deal)
    return foreseen, others
