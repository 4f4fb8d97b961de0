"""Explanations of single predictions: which parts of a row speak for what was predicted of it."""
