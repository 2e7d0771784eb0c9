"""Files of deals and actions, from CSV to orders: at the command line, and on a page."""
