"""Eight plugins, a module each, that show what medplug does with broken ones."""
