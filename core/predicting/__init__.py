"""Prediction by finished runs whose answers are more than a decision a row."""
