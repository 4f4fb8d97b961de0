"""medplug: move what pretrained models know onto medical problems with few labels."""
