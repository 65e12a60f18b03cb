"""How each editor keeps crops: a module for each, and the registry of all."""
