-- What waits for confirmation is found in the log without a look at all of it: the actions that were
-- recorded as claims, and what settles an action. As they are stored (domain.events.encode).
CREATE INDEX events_of_claims ON books.events (notification_id)
    WHERE topic = 'ActionPerformed' AND position('"needs_confirmation":true'::bytea IN state) > 0;
CREATE INDEX events_settling ON books.events (notification_id)
    WHERE topic IN ('ActionConfirmed', 'ActionRejected', 'ActionWithdrawn');
