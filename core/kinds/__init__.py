"""How each kind of target is modelled, trained, judged and predicted: a module a kind, and the table of them."""
