"""Passages found for a query: BM25, an index of vectors on disk, and hard negatives.

They know nothing of tasks, models or training: vectors and texts come from the caller.
"""
