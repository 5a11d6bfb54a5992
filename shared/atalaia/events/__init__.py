"""What is said between processes: one model each, the subjects and the streams."""
