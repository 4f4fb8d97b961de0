"""The built-in samples, one a form: invented questions from phrases, none of them a patient's and none to learn from."""
