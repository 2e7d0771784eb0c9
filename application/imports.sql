-- Files that an administrator has sent to be imported, and how far each is. Run as the owner role,
-- once. What was recorded of them is in the log; this is only for whoever waits.
CREATE TABLE books.imports (
    import_id  uuid        PRIMARY KEY,       -- the form's key: one that is sent twice is one
    account_id uuid        NOT NULL,
    begun_at   timestamptz NOT NULL DEFAULT now(),
    language   text        NOT NULL,          -- in which its errors are told
    mapping    text        NOT NULL,          -- a name of api/mappings; '': our own columns
    names      text[]      NOT NULL,
    contents   bytea[]     NOT NULL,          -- until it is recorded, for a day at most
    phase      text        NOT NULL,
    done       int         NOT NULL DEFAULT 0,
    total      int         NOT NULL DEFAULT 0,
    told_at    timestamptz NOT NULL DEFAULT now(),
    report     jsonb
);
GRANT SELECT, INSERT, UPDATE, DELETE ON books.imports TO dealfolio_app;
