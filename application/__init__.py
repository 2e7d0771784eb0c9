"""The write side: read what is new, let the commands decide, append what they decided."""
