-- Made after a rebuild's bulk copy, before it goes live. What grows at its end is packed full.
ALTER TABLE managers ADD PRIMARY KEY (manager);
ALTER TABLE managers ADD UNIQUE (manager_id);
ALTER TABLE deals ADD PRIMARY KEY (deal);
ALTER TABLE deals ADD UNIQUE (deal_id);
ALTER TABLE deal_states ADD PRIMARY KEY (deal, effective_on, position);
-- What a manager was learnt to have since some position, and what of it is in which deal, without
-- a look at the table.
CREATE INDEX postings_of_a_manager ON postings (manager, position)
    INCLUDE (effective_on, deal, account, currency, amount, credit, progress, actions, deals)
    WITH (fillfactor = 100);
-- What became effective in a few days: of everybody in one go, of one manager from day to day
-- (PostgreSQL 18; older ones read over what others have on these days).
CREATE INDEX postings_by_day ON postings (effective_on, manager);
