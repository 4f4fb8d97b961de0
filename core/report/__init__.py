"""The report, the model card and their figures."""
