"""Synthetic micrographs and defect images, and proof of whether they help."""
