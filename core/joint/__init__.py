"""Models of several modalities: their backbones, joined by a fusion into one."""
