"""New plugin packages: what ``medplug new`` makes, and the templates that it is made of."""
