"""Judging a trained model on rows it never saw: scores, intervals, and what it is held against."""
