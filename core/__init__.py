"""The core: contracts and machinery. It never imports a plugin."""
