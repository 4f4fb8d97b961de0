"""Answers that are written: prompts with passages, the model that writes, and what it was given."""
