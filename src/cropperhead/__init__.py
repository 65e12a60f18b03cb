"""Learns how a photographer crops, from the crops their editor left in their photos' metadata."""

__version__ = "0.1.0"
