-- The read model: all of it follows from the log and is made anew by `dealfolio rebuild`.
-- Unqualified names: the schema is `ledger` when live and another beside it during a rebuild.

CREATE TABLE postings (
    position     bigint NOT NULL,  -- the event that we learnt
    due_position bigint NOT NULL,  -- the event at whose step the value changes
    due_cause    text   NOT NULL,  -- its type
    deal_id      uuid   NOT NULL,
    manager_id   text   NOT NULL,
    account      text   NOT NULL,
    effective_on date   NOT NULL,  -- of the step
    currency     text   NOT NULL,
    amount       bigint NOT NULL,  -- 1/10 000 of a kopeck
    credit       integer NOT NULL, -- basis points held, whatever the deal's status
    progress     integer NOT NULL, -- basis points held while the deal is open
    actions      integer NOT NULL,
    deals        integer NOT NULL
);

CREATE TABLE deals (
    deal_id   uuid   NOT NULL,
    position  bigint NOT NULL,  -- of its opening
    opened_on date   NOT NULL,
    title     text   NOT NULL,
    client    text   NOT NULL,
    currency  text   NOT NULL
);

-- The deal at the end of a day, as learnt at a position (domain.history.DealState).
CREATE TABLE deal_states (
    deal_id           uuid    NOT NULL,
    effective_on      date    NOT NULL,
    position          bigint  NOT NULL,
    status            text    NOT NULL,
    owner             text    NOT NULL,
    potential_check   bigint  NOT NULL,  -- kopecks
    progress          integer NOT NULL,  -- basis points
    expected_close_on date
);
