-- Who asks: keys, sign-in, sessions, and who looked at what. Run as the owner role, once.
-- Which role an account has is in the log (RoleGranted); here are its secrets, which are not.

-- Names and e-mails, of managers and of accounts, stand in this one table and nowhere else.
ALTER TABLE books.people RENAME COLUMN manager_id TO person_id;
ALTER TABLE books.people ADD COLUMN email text;
INSERT INTO books.people (person_id, name)
    SELECT account_id::text, name FROM books.accounts ON CONFLICT DO NOTHING;

CREATE TABLE books.keys (
    key_id       uuid        PRIMARY KEY,
    account_id   uuid        NOT NULL REFERENCES books.accounts,
    prefix       text        NOT NULL,         -- by which its owner recognises it
    hash         bytea       NOT NULL UNIQUE,  -- SHA-256 of 256 random bits
    issued_at    timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,                  -- exclusive; null: never
    last_used_at timestamptz                   -- to ten minutes
);
CREATE INDEX keys_of_an_account ON books.keys (account_id, issued_at);
INSERT INTO books.keys (key_id, account_id, prefix, hash, issued_at)
    SELECT gen_random_uuid(), account_id, 'df_…', token_hash, created_at
    FROM books.accounts WHERE token_hash IS NOT NULL;

-- What 0.1 knew of accounts; the first start afterwards grants these roles in the log.
CREATE TABLE books.roles_before_the_log AS
    SELECT account_id, role, manager_id, team_id FROM books.accounts WHERE closed_at IS NULL;
ALTER TABLE books.accounts
    DROP COLUMN name, DROP COLUMN role, DROP COLUMN manager_id, DROP COLUMN team_id,
    DROP COLUMN token_hash, DROP COLUMN closed_at;

-- Whom an OpenID Connect issuer knows by which subject.
CREATE TABLE books.identities (
    issuer     text NOT NULL,
    subject    text NOT NULL,
    account_id uuid NOT NULL REFERENCES books.accounts,
    PRIMARY KEY (issuer, subject)
);
CREATE TABLE books.passwords (
    login            text        PRIMARY KEY,  -- NFKC, without case
    account_id       uuid        NOT NULL UNIQUE REFERENCES books.accounts,
    hash             text,                     -- argon2id, with parameters and salt; null: none yet
    setup_hash       bytea       UNIQUE,       -- SHA-256 of the code by which its owner sets it
    setup_expires_at timestamptz,              -- exclusive
    changed_at       timestamptz NOT NULL
);
CREATE TABLE books.sessions (
    hash       bytea       PRIMARY KEY,  -- SHA-256 of the cookie's 256 random bits
    account_id uuid        NOT NULL REFERENCES books.accounts,
    begun_at   timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,     -- to a minute
    expires_at timestamptz NOT NULL      -- exclusive, however often it is used
);
CREATE INDEX sessions_of_an_account ON books.sessions (account_id);

-- Who looked at whose portfolio or deal, as of when. Written behind the answers, in batches.
CREATE TABLE books.reads (
    read_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    read_at    timestamptz NOT NULL,
    account_id uuid        NOT NULL,
    question   text        NOT NULL,  -- the operation's id
    status     integer     NOT NULL,  -- of the answer: 200, or why not
    manager_id text,                  -- null: everybody whom the account may see
    deal_id    text,
    asked      jsonb       NOT NULL   -- the parameters as they were given
);
CREATE INDEX reads_by_time ON books.reads (read_at);
CREATE INDEX reads_of_a_manager ON books.reads (manager_id, read_id) WHERE manager_id IS NOT NULL;
CREATE INDEX reads_of_a_deal ON books.reads (deal_id, read_id) WHERE deal_id IS NOT NULL;
CREATE INDEX reads_by_an_account ON books.reads (account_id, read_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON books.reads
    FOR EACH STATEMENT EXECUTE FUNCTION books.refuse();

GRANT SELECT, INSERT, UPDATE ON books.keys TO dealfolio_app;
GRANT SELECT, INSERT, DELETE ON books.identities TO dealfolio_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON books.passwords, books.sessions TO dealfolio_app;
GRANT SELECT, INSERT ON books.reads TO dealfolio_app;
GRANT SELECT, DELETE ON books.roles_before_the_log TO dealfolio_app;
