"""One's own images: which of them to label, and a classifier from those labels."""
