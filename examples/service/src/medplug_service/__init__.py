"""A finished medplug run behind HTTP: ``uvicorn --factory medplug_service.app:create_app``."""
