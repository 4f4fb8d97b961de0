"""Questions and their answers: records, published formats, options of a choice, spans of a context."""
