"""What comes in: messages of the stream, and requests."""
