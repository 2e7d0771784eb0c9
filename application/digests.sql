-- Which week's digest was brought where, so that it is brought once. Run as the owner role, once.
CREATE TABLE books.digests (
    week     date        NOT NULL,  -- its Monday
    target   bytea       NOT NULL,  -- SHA-256 of how and where to
    position bigint      NOT NULL,  -- what is known: however often it is tried, it says the same
    state    text        NOT NULL CHECK (state IN ('waiting', 'begun', 'sent')),
    tries    int         NOT NULL DEFAULT 0,
    next_at  timestamptz NOT NULL,  -- not to be tried before
    PRIMARY KEY (week, target)
);
GRANT SELECT, INSERT, UPDATE ON books.digests TO dealfolio_app;
