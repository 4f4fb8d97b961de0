"""The built-in samples, one a form: questions and answers joined from phrases. No patient is in them."""
