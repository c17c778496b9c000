"""What a trial is and what it returns."""
