"""Commands on targets. What is promised of days that are over is promised no more."""

from dataclasses import dataclass
from uuid import UUID

from domain.decisions import Books, Decision, require_known
from domain.events import TargetSet, TargetWithdrawn
from domain.targets import Target
from domain.values import TargetId


@dataclass(frozen=True, slots=True)
class SetTarget:
    """Of a manager or of a team: exactly one of the two is named."""

    promise: TargetSet

    def decide(self, books: Books) -> Decision:
        promise, people = self.promise, books.directory.people
        if promise.manager_id is not None:
            people.require_manager(promise.manager_id)
        if promise.team_id is not None:
            people.require_team(promise.team_id)
        Target(books.position, promise).require_before_its_end(books.today)
        return _on_target(promise.target_id, promise, created=True)


@dataclass(frozen=True, slots=True)
class WithdrawTarget:
    target_id: TargetId
    reason: str

    def decide(self, books: Books) -> Decision:
        standing = books.directory.targets.standing
        require_known("target", self.target_id, standing)
        standing[self.target_id].require_before_its_end(books.today)
        event = TargetWithdrawn(target_id=self.target_id, reason=self.reason)
        return _on_target(self.target_id, event)


def _on_target(
    target_id: TargetId, event: TargetSet | TargetWithdrawn, *, created: bool = False
) -> Decision:
    ids = {"target_id": str(target_id)}
    return Decision(UUID(str(target_id)), event, ids, created=created)
