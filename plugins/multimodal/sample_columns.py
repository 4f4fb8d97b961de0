"""The columns of the built-in sample; numpy is not imported here."""

COLUMNS = (
    *("mean_texture", "mean_smoothness", "mean_symmetry", "mean_fractal_dimension"),
    *("texture_error", "smoothness_error", "symmetry_error", "fractal_dimension_error"),
)
"""The real ones."""
SIGNAL = "generated_signal"
"""The one that is drawn."""
