"""Metrics with intervals, and the plain baseline that every run is held against."""
