"""Tables as people have them: read as text, each column's kind decided once, prepared by the training rows only."""
