"""What is claimed about speed, as commands: `python -m benchmarks.<name>`, `make bench` for all."""
