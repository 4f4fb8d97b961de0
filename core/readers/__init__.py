"""Readers: backbones that read questions through a run's text backbone."""
