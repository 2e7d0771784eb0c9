-- Made after a rebuild's bulk copy, before it goes live.
CREATE INDEX postings_of_a_manager ON postings (manager_id, effective_on, position)
    INCLUDE (deal_id, account, currency, amount, credit, progress, actions, deals);
CREATE INDEX postings_by_position ON postings (position);
ALTER TABLE deals ADD PRIMARY KEY (deal_id);
CREATE UNIQUE INDEX deals_by_position ON deals (position);
ALTER TABLE deal_states ADD PRIMARY KEY (deal_id, effective_on, position);
