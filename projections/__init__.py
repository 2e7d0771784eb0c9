"""The read side: for each question its definition, a plain fold, and its fast form, from the ledger."""
