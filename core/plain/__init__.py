"""Simple features for the plain baseline, one module a modality; torch is not imported here."""
