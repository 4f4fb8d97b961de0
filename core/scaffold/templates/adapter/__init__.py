"""The modules of a package that gives an adapter."""
