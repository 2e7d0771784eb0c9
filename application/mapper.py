"""Facts to and from what the library stores; the topic is the bare class name."""

from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from domain.events import Event, Recorded, decode, encode


class FactMapper(Mapper[UUID]):
    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        assert isinstance(domain_event, Recorded)
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=domain_event.type,
            state=encode(domain_event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded[Event]:
        assert isinstance(stored_event.originator_id, UUID)
        return decode(
            stored_event.originator_id,
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
        )
