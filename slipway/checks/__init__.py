"""What is looked at before anything is created, so that a mistake costs seconds and not an instance's start."""
