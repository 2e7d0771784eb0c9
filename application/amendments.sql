-- What has become of some deals' actions is found in the log without their whole histories.
-- As they are stored (domain.events.Amendment).
CREATE INDEX events_amending ON books.events (originator_id)
    WHERE topic IN ('ActionConfirmed', 'ActionRejected', 'WeightChanged', 'ActionWithdrawn');
