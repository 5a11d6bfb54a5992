"""What the README says about speed, as commands: `python -m benchmarks.<name>`; `make bench` runs all."""
