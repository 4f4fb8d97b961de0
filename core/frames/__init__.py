"""What a model says of rows, as tables: one module for each form of prediction."""
