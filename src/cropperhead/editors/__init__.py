"""One module an editor: how it stores a crop, and nothing else."""
