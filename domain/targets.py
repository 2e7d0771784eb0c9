"""Targets: what a manager or a team is to reach, unless it was replaced or withdrawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from domain.errors import NotAllowedNow, Obstacle
from domain.events import TargetEvent, TargetSet
from domain.values import TargetId


class Target(NamedTuple):
    """`position` is where it was set."""

    position: int
    promise: TargetSet

    @property
    def is_for(self) -> tuple[object, ...]:
        """Of two with the same the later one holds."""
        one = self.promise
        currency = None if one.amount is None else one.amount.currency
        whom = one.manager_id, one.team_id
        return (*whom, one.measure, currency, one.first_day, one.last_day)

    def require_before_its_end(self, today: date) -> None:
        """Raises NotAllowedNow: when the outcome is known, nothing more is promised of it."""
        if self.promise.last_day < today:
            raise NotAllowedNow(Obstacle.TARGET_OVER, last_day=self.promise.last_day)


@dataclass(frozen=True, slots=True)
class Targets:
    """In the order in which they were set."""

    standing: Mapping[TargetId, Target] = field(default_factory=dict)

    def on(self, day: date) -> list[Target]:
        """Those that have `day` among their days."""
        return [
            one
            for one in self.standing.values()
            if one.promise.first_day <= day <= one.promise.last_day
        ]

    def evolve(self, event: TargetEvent, position: int) -> "Targets":
        kept = {who: one for who, one in self.standing.items() if who != event.target_id}
        if not isinstance(event, TargetSet):
            return Targets(kept)
        new = Target(position, event)
        kept = {who: one for who, one in kept.items() if one.is_for != new.is_for}
        return Targets({**kept, event.target_id: new})
