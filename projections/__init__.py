"""The read side: each question as a definition, a plain fold, and as its fast form in SQL."""
