"""One question to a finished run, and its answer: with what it rests on, and whether it is sure enough."""
