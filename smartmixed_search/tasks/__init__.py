"""What is learned: a network's outputs, its loss, and the figures that are counted."""
