"""This machine: files, memory, processors, numbers that are slow, and what is imported when."""
