"""The forms of question, a module each: what a row is, what is predicted of it, and how that is measured."""
