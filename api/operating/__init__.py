"""What operators do: databases, tables, what is wrong with them and how to mend it."""
