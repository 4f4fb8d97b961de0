"""Holding finished runs against each other on the test rows that they share."""
