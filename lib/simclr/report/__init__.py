"""What readers see: figures, tables, prose, and their export as HTML and PDF."""
