"""The catalogue: what can be done on a deal, and since when it weighs how much.

A later change of the catalogue changes no deal: the weight in force on an action's date was copied
into the action's event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from domain.errors import ActionTypeNotInForce, UnknownActionType
from domain.events import (
    ActionTypeDefined,
    ActionTypeRetired,
    ActionTypeWeightChanged,
    CatalogueEvent,
    Titles,
)
from domain.values import ActionTypeCode


@dataclass(frozen=True, slots=True)
class DatedWeight:
    """Basis points, not 0, from a date (inclusive)."""

    effective_from: date
    weight: int


@dataclass(frozen=True, slots=True)
class ActionType:
    """`weights` by ascending date, on one date the one recorded last behind the others."""

    code: ActionTypeCode
    title: Titles
    weights: tuple[DatedWeight, ...]
    max_per_deal: int | None
    evidence_required: bool
    needs_confirmation: bool
    retired_from: date | None = None

    def weight_on(self, day: date) -> int | None:
        """The weight in force on `day`; None before the first one and from the retirement on."""
        if self.retired_from is not None and day >= self.retired_from:
            return None
        in_force = None
        for dated in self.weights:
            if dated.effective_from <= day:
                in_force = dated.weight
        return in_force

    def weight_in_force(self, day: date) -> int:
        """Raises ActionTypeNotInForce."""
        weight = self.weight_on(day)
        if weight is None:
            raise ActionTypeNotInForce(self.code, day)
        return weight


@dataclass(frozen=True, slots=True)
class Catalogue:
    types: Mapping[ActionTypeCode, ActionType] = field(default_factory=dict)

    def type(self, code: ActionTypeCode) -> ActionType:
        """Raises UnknownActionType."""
        if code not in self.types:
            raise UnknownActionType(code)
        return self.types[code]

    def evolve(self, event: CatalogueEvent) -> "Catalogue":
        return Catalogue({**self.types, event.code: self._evolved(event)})

    def _evolved(self, event: CatalogueEvent) -> ActionType:
        match event:
            case ActionTypeDefined():
                return ActionType(
                    event.code,
                    event.title,
                    (DatedWeight(event.effective_from, event.weight),),
                    event.max_per_deal,
                    event.evidence_required,
                    event.needs_confirmation,
                )
            case ActionTypeWeightChanged():
                known = self.types[event.code]
                weights = (*known.weights, DatedWeight(event.effective_from, event.weight))
                by_date = sorted(weights, key=lambda dated: dated.effective_from)
                return replace(known, weights=tuple(by_date))
            case ActionTypeRetired():
                return replace(self.types[event.code], retired_from=event.effective_from)
