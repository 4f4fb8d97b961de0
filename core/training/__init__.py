"""The trainer, the feature cache and the means to compute."""
