"""The edge: HTTP in and out, the command line, and the one place where the parts are put together."""
