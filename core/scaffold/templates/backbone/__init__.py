"""The modules of a package that gives a backbone."""
