"""Tables, validation, splits, leakage and batches."""
