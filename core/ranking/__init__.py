"""Ranking backbones and sources by frozen features, before anything is trained."""
