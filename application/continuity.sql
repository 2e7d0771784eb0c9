-- Whoever appends from memory says what the last event is that they know. Behind another log, one
-- that was restored or has lost its end in a failover, memory is wrong, and nothing is appended.
CREATE FUNCTION books.lock_for_writing(known bigint, known_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM books.lock_for_writing();
    IF known > 0 AND NOT EXISTS (
        SELECT FROM books.events WHERE notification_id = known AND recorded_at = known_at
    ) THEN
        RAISE EXCEPTION 'the log has not the event at position % that is known', known
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;
