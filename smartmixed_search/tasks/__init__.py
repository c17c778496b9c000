"""What is learned: outputs, loss, and the metrics that are counted."""
