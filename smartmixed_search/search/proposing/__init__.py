"""Which trial is next: proposals, the queue of trials, and which of them are stopped early."""
