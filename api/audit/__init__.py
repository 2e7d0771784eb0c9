"""What auditors ask, under /v1/audit and at the command line, and what proves the log to them."""
