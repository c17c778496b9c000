"""What becomes of running trials: settled, tried again or stopped, and how far all of it is."""
