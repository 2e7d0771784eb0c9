-- The log and what is written in one transaction with it. Run as the owner role, once.
-- Column names of `events` are the eventsourcing library's; `notification_id` is the position.

CREATE TABLE books.events (
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL CHECK (originator_version > 0),
    topic              text        NOT NULL,
    state              bytea       NOT NULL,
    notification_id    bigint      NOT NULL CHECK (notification_id > 0),
    recorded_at        timestamptz NOT NULL,  -- as in state; here for the index
    -- Everything that is not about one deal: few rows, read whole at start. A type that this
    -- version does not know is among them, so that it stops the reader.
    of_the_directory   boolean     NOT NULL GENERATED ALWAYS AS (topic NOT IN (
        'DealOpened', 'ActionPerformed', 'ActionConfirmed', 'ActionRejected', 'WeightChanged',
        'ActionWithdrawn', 'PotentialCheckRevised', 'ExpectedCloseRevised', 'DealHandedOver',
        'DealSuspended', 'DealResumed', 'DealWon', 'DealLost', 'DealReopened'
    )) STORED,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX events_by_position ON books.events (notification_id);
CREATE INDEX events_by_time ON books.events (recorded_at, notification_id);
CREATE INDEX events_of_the_directory ON books.events (notification_id) WHERE of_the_directory;

-- Whoever inserts holds the writers' lock until commit: order of positions is order of commits.
-- An advisory lock, because PostgreSQL 15 gives a role without UPDATE no table lock that excludes.
CREATE FUNCTION books.lock_for_writing() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(7305815021847160065)
$$;
CREATE FUNCTION books.take_the_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM books.lock_for_writing();
    RETURN NULL;
END $$;
CREATE TRIGGER one_writer_at_a_time BEFORE INSERT ON books.events
    FOR EACH STATEMENT EXECUTE FUNCTION books.take_the_lock();

CREATE FUNCTION books.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on %.% is refused',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON books.events
    FOR EACH STATEMENT EXECUTE FUNCTION books.refuse();

-- What a command was answered, by who asked and their Idempotency-Key; kept for ever.
CREATE TABLE books.receipts (
    principal text  NOT NULL,
    key       text  NOT NULL,
    request   bytea NOT NULL,  -- SHA-256 of what was asked
    answer    jsonb NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON books.receipts
    FOR EACH STATEMENT EXECUTE FUNCTION books.refuse();

-- What identifies a person stands here and nowhere in the log, so that it can be erased.
CREATE TABLE books.people (
    manager_id text PRIMARY KEY,
    name       text NOT NULL
);

CREATE TABLE books.accounts (
    account_id uuid        PRIMARY KEY,
    name       text        NOT NULL,
    role       text        NOT NULL,
    manager_id text,
    team_id    uuid,
    token_hash bytea       UNIQUE,  -- SHA-256 of 256 random bits; null: cannot sign in
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at  timestamptz
);

GRANT USAGE ON SCHEMA books TO dealfolio_app;
GRANT SELECT, INSERT ON books.events, books.receipts TO dealfolio_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON books.people TO dealfolio_app;
GRANT SELECT, INSERT, UPDATE ON books.accounts TO dealfolio_app;
GRANT SELECT ON books.migrations TO dealfolio_app;
