"""What one process knows of the log, so that commands are decided without reading it again.

`Knowledge` is what is committed. `Draft` is what one transaction adds to it: laid over, read
through, and dropped whole when the transaction comes to nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from application.log import Last
from domain.decisions import Decision
from domain.directory import Directory
from domain.errors import NotFound
from domain.events import Event, Recorded, encode, is_about_a_deal, is_about_the_directory
from domain.history import History, Recording, open_history
from domain.values import DealId

CACHED_EVENTS = 50_000
"""Histories are kept until they hold this many events: 90 to 115 MB, more where deals are short."""
_NEXT = timedelta(microseconds=1)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Knowledge:
    """Everything committed up to `position`: the directory, and the deals that were used lately."""

    def __init__(
        self,
        position: int = 0,
        recorded_at: datetime | None = None,
        directory: Directory | None = None,
    ) -> None:
        self.position = position
        self.recorded_at = recorded_at or _LONG_AGO
        self.directory = directory or Directory()
        self._deals: OrderedDict[int, History] = OrderedDict()  # by `.int`: see `Draft`
        self._cached = 0

    @property
    def last(self) -> Last:
        return Last(self.position, self.recorded_at)

    def history(self, deal_id: DealId) -> History | None:
        history = self._deals.get(deal_id.int)
        if history is not None:
            self._deals.move_to_end(deal_id.int)
        return history

    def learn(self, tail: Iterable[Recorded[Event]]) -> None:
        """Take in what others have appended, without a gap."""
        for recorded in tail:
            if recorded.position != self.position + 1:
                raise LookupError(f"position {self.position + 1} is missing from the log")
            self.position, self.recorded_at = recorded.position, recorded.recorded_at
            if is_about_a_deal(recorded):
                known = self._deals.get(recorded.originator_id.int)
                if known is not None:
                    self.keep([known.record(recorded).history])
            elif is_about_the_directory(recorded):
                self.directory = self.directory.evolve(recorded)

    def keep(self, histories: Iterable[History]) -> None:
        """Remember `histories` in place of their earlier selves; forget the least used."""
        for history in histories:
            number = history.deal_id.int
            self._forget(number)
            self._deals[number] = history
            self._cached += history.version
        while self._cached > CACHED_EVENTS:
            self._forget(next(iter(self._deals)))

    def _forget(self, number: int) -> None:
        known = self._deals.pop(number, None)
        self._cached -= known.version if known else 0


@dataclass(slots=True)
class Draft:
    """A transaction's additions, over `known`. `load` reads histories from the log.

    Streams are found by their ids as numbers, whose hash is made in a tenth of a UUID's time.
    """

    known: Knowledge
    load: Callable[[Iterable[DealId]], Iterable[History]]
    position: int = field(init=False)
    recorded_at: datetime = field(init=False)
    directory: Directory = field(init=False)
    histories: dict[int, History] = field(default_factory=dict)
    """Those that are at hand, changed or not."""
    versions: dict[int, int] = field(default_factory=dict)
    """Of streams that have no history; 0 for a deal that there is not."""

    def __post_init__(self) -> None:
        self.position = self.known.position
        self.recorded_at = self.known.recorded_at
        self.directory = self.known.directory

    def prepare(self, deals: Iterable[DealId]) -> None:
        """Have the histories of `deals` at hand, those that exist, in one reading."""
        missing = set()
        for deal in deals:
            number = deal.int
            if number in self.histories or self.versions.get(number) == 0:
                continue
            if (history := self.known.history(deal)) is not None:
                self.histories[number] = history
            else:
                missing.add(deal)
        if missing:
            self.versions |= {deal.int: 0 for deal in missing}
            self.histories |= {history.deal_id.int: history for history in self.load(missing)}

    def deal(self, deal_id: DealId) -> History:
        """Raises NotFound."""
        history = self.histories.get(deal_id.int)
        if history is None:
            self.prepare([deal_id])
            history = self.histories.get(deal_id.int)
        if history is None:
            raise NotFound("deal", deal_id)
        return history

    def version(self, stream_id: UUID) -> int | None:
        """How many events it has; None where nobody has looked yet."""
        history = self.histories.get(stream_id.int)
        return self.versions.get(stream_id.int) if history is None else history.version

    def record(
        self, decision: Decision, version: int, actor: str, now: datetime
    ) -> tuple[Recorded[Event], bytes, Recording | None]:
        """The decided fact at the next position, as the log will store it, and in place in its
        deal's history if it has one.

        `version` is the stream's before it. Raises what `History.record` raises, and then nothing
        has changed; nor where it cannot be written down, which would leave a gap in the log.
        """
        recorded = Recorded(
            decision.stream_id,
            version + 1,
            self.position + 1,
            max(now, self.recorded_at + _NEXT),
            actor,
            decision.effective_on,
            decision.event,
        )
        state = encode(recorded)
        recording: Recording | None = None
        if is_about_a_deal(recorded):
            if version == 0:
                recording = open_history(recorded)
            else:
                recording = self.deal(DealId(decision.stream_id)).record(recorded)
            self.histories[decision.stream_id.int] = recording.history
        elif is_about_the_directory(recorded):
            self.directory = self.directory.evolve(recorded)
            self.versions[decision.stream_id.int] = version + 1
        self.position, self.recorded_at = recorded.position, recorded.recorded_at
        return recorded, state, recording

    def commit(self) -> None:
        """What was added is known from now on."""
        self.known.position, self.known.recorded_at = self.position, self.recorded_at
        self.known.directory = self.directory
        self.known.keep(self.histories.values())
