"""Shared fusion layers: plain modules over the features of several modalities."""
