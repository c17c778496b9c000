"""Pictures as people have them: a folder for each class, or a zip of such folders."""
