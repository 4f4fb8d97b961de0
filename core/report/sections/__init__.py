"""The sections of a report, a module each: what it tells in words, in figures and in tables."""
