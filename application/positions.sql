-- A question at a position is told the instant by the index alone: what was asked about long ago is
-- not read from the log again. As unique as before, and of the same name.
DROP INDEX books.events_by_position;
CREATE UNIQUE INDEX events_by_position ON books.events (notification_id) INCLUDE (recorded_at);
