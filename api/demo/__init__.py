"""A company of two years, to look at and to try."""
