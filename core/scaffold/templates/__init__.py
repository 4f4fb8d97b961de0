"""The files of a new plugin package, as templates; those of one kind alone lie in its folder."""
