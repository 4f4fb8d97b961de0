"""The built-in plugins; each meets the others by name only."""
