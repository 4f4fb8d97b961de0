"""Predicting, scoring and answering, a module a kind of target that has no fixed logits a row."""
