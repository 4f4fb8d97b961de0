"""Passages found for a query: BM25, an encoder trained to find them, an index of vectors on disk, hard negatives.

They know nothing of tasks or of training: vectors and texts come from the caller.
"""
