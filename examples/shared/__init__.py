"""What all examples share: a hub of their own, checks, bars, the command line."""
