"""Signals: ECG, EEG and whatever else is sampled over time."""
