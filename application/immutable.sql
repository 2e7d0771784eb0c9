-- What is only ever added to refuses everything else, to everybody. Run as the owner role, once.
--
-- Each table has two triggers. The one for statements refuses before a row is looked for, and
-- TRUNCATE. The one for rows refuses where no statement names the table: a table that it was made to
-- inherit from, or a foreign key that cascades. ENABLE ALWAYS: `session_replication_role = replica`,
-- which skips ordinary triggers, skips none of these. pg_restore makes triggers after the rows are
-- in, and as they are here; only `--disable-triggers`, for data alone, leaves them weaker, which
-- `dealfolio doctor` says.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON books.migrations
    FOR EACH STATEMENT EXECUTE FUNCTION books.refuse();

CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON books.events
    FOR EACH ROW EXECUTE FUNCTION books.refuse();
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON books.receipts
    FOR EACH ROW EXECUTE FUNCTION books.refuse();
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON books.reads
    FOR EACH ROW EXECUTE FUNCTION books.refuse();
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON books.migrations
    FOR EACH ROW EXECUTE FUNCTION books.refuse();

ALTER TABLE books.events
    ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER append_only_rows,
    ENABLE ALWAYS TRIGGER one_writer_at_a_time;
ALTER TABLE books.receipts
    ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER append_only_rows;
ALTER TABLE books.reads
    ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER append_only_rows;
ALTER TABLE books.migrations
    ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER append_only_rows;
