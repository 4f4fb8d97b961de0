"""Screening: a library of entities scored against a few others as a stream, the best kept, with their uncertainty."""
