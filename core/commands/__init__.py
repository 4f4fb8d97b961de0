"""The commands of the command line: each parses, calls the core and prints."""
