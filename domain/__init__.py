"""What a deal is, what may happen to it, and what that is worth. No I/O, no clock, no framework."""
