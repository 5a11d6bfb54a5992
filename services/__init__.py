"""The platform's applications; `python -m services` runs them all on this machine."""
