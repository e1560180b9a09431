"""The command line: one file per command group, which parses, calls one function, and prints."""
