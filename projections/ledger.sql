-- The read model: all of it follows from the log and is made anew by `dealfolio rebuild`.
-- Unqualified names: the schema is `ledger` when live and another beside it during a rebuild.
--
-- A posting is some 70 bytes, because there are many: managers and deals are numbers in it, each the
-- position of its first event, and all positions are int (2 147 483 647 events at most).

DO $$  -- one for all ledgers, so that two can be compared
BEGIN
    CREATE TYPE books.account AS ENUM ('active', 'claimed', 'suspended', 'lost', 'won');
    CREATE TYPE books.cause AS ENUM (
        'DealOpened', 'ActionPerformed', 'ActionConfirmed', 'ActionRejected', 'WeightChanged',
        'ActionWithdrawn', 'PotentialCheckRevised', 'ExpectedCloseRevised', 'DealHandedOver',
        'DealSuspended', 'DealResumed', 'DealWon', 'DealLost', 'DealReopened'
    );
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;

CREATE TABLE managers (
    manager    int  NOT NULL,  -- position of the registration
    manager_id text NOT NULL
);

CREATE TABLE deals (
    deal_id   uuid NOT NULL,
    deal      int  NOT NULL,  -- position of the opening
    opened_on date NOT NULL,
    title     text NOT NULL,
    client    text NOT NULL,
    currency  text NOT NULL
);

CREATE TABLE postings (
    amount       bigint   NOT NULL,  -- 1/10 000 of a kopeck
    position     int      NOT NULL,  -- the event that we learnt
    due_position int      NOT NULL,  -- the event at whose step the value changes
    due_cause    books.cause NOT NULL,  -- its type
    effective_on date     NOT NULL,  -- of the step
    deal         int      NOT NULL,
    manager      int      NOT NULL,
    account      books.account NOT NULL,
    credit       smallint NOT NULL,  -- basis points held, whatever the deal's status
    progress     smallint NOT NULL,  -- basis points held while the deal is open
    actions      smallint NOT NULL,
    deals        smallint NOT NULL,
    currency     text     NOT NULL
);

CREATE TABLE holders (  -- whoever has a posting in a currency
    manager  int  NOT NULL,
    currency text NOT NULL,
    PRIMARY KEY (manager, currency)
);

-- The deal at the end of a day, as learnt at a position (domain.history.DealState).
CREATE TABLE deal_states (
    deal              int      NOT NULL,
    effective_on      date     NOT NULL,
    position          int      NOT NULL,
    owner             int      NOT NULL,
    potential_check   bigint   NOT NULL,  -- kopecks
    expected_close_on date,
    progress          smallint NOT NULL,  -- basis points
    status            text     NOT NULL
);
