-- What managers have, added up at times and positions that will be asked about, so that a question
-- adds up little, however long the history (projections/snapshots.py). Dropping the rows changes
-- no answer.

CREATE TABLE IF NOT EXISTS cuts (
    position  int  PRIMARY KEY,  -- all that is known up to it, inclusive, is in its snapshots
    last_mark date NOT NULL,     -- and all of that is effective by then
    first_day date               -- of what was learnt since the cut before; null: nothing was
);

CREATE TABLE IF NOT EXISTS snapshots (
    manager   int     NOT NULL,
    currency  text    NOT NULL,
    mark      date    NOT NULL,  -- at the end of this day
    cut       int     NOT NULL,  -- as known at this position
    credit    int     NOT NULL,
    progress  int     NOT NULL,
    actions   int     NOT NULL,
    deals     int     NOT NULL,
    active    numeric NOT NULL,  -- value by account, 1/10 000 of a kopeck
    claimed   numeric NOT NULL,
    suspended numeric NOT NULL,
    lost      numeric NOT NULL,
    won       numeric NOT NULL,
    PRIMARY KEY (mark, manager, currency, cut)  -- everybody's at a mark lie together
);

GRANT SELECT, INSERT ON cuts, snapshots TO dealfolio_app;
