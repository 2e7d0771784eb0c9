"""The week's digest, sent to those who wait for it."""
