-- The Merkle tree over the log, and what was signed of it. Run as the owner role, once.
-- Tiles and closings follow from the log; keys, checkpoints and cosignatures do not.

CREATE SCHEMA evidence;

CREATE TABLE evidence.log (
    origin text    NOT NULL,  -- what checkpoints and keys call this log, for ever
    one    boolean PRIMARY KEY DEFAULT true CHECK (one)
);

-- C2SP tlog-tiles: 256 hashes of 32 bytes; the last tile of each level has fewer, and grows.
CREATE TABLE evidence.tiles (
    level  smallint NOT NULL,
    index  bigint   NOT NULL,
    hashes bytea    NOT NULL,
    PRIMARY KEY (level, index)
);
ALTER TABLE evidence.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- to read a part of it

-- What the leaf of a month's closing says of all that everybody had then.
CREATE TABLE evidence.closings (
    position bigint PRIMARY KEY,
    root     bytea  NOT NULL,
    size     bigint NOT NULL
);

CREATE TABLE evidence.keys (
    key_hash        bytea  PRIMARY KEY,
    vkey            text   NOT NULL,  -- C2SP signed-note
    from_size       bigint NOT NULL,
    retired_at_size bigint            -- it has signed nothing larger
);

CREATE TABLE evidence.checkpoints (  -- C2SP tlog-checkpoint
    size      bigint      PRIMARY KEY,
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE evidence.rotations (  -- signed by the key before and the key after
    size bigint NOT NULL,
    note text   NOT NULL,
    PRIMARY KEY (size, note)
);

CREATE TABLE evidence.cosignatures (  -- C2SP tlog-cosignature
    size        bigint      NOT NULL,
    witness     text        NOT NULL,  -- vkey
    line        text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (size, witness)
);

CREATE TABLE evidence.pushes (
    target bytea  PRIMARY KEY,  -- SHA-256 of the folder or address, which may hold a secret
    size   bigint NOT NULL      -- of the last checkpoint that arrived there
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['log', 'closings', 'checkpoints', 'rotations', 'cosignatures'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE'
            ' ON evidence.%I FOR EACH STATEMENT EXECUTE FUNCTION books.refuse()', name);
        EXECUTE format('CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE'
            ' ON evidence.%I FOR EACH ROW EXECUTE FUNCTION books.refuse()', name);
        EXECUTE format('ALTER TABLE evidence.%I ENABLE ALWAYS TRIGGER append_only,'
            ' ENABLE ALWAYS TRIGGER append_only_rows', name);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA evidence TO dealfolio_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA evidence TO dealfolio_app;
GRANT UPDATE ON evidence.tiles, evidence.pushes TO dealfolio_app;
GRANT UPDATE (retired_at_size) ON evidence.keys TO dealfolio_app;
