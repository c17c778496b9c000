"""Where trials are trained: the Ray cluster, Ray Tune on it, and the work of one trial."""
