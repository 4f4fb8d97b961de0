"""Which plugins there are, what they give, and what is wrong with which."""
