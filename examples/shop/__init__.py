"""A small shop on FastAPI and Postgres, measured by Atalaia. `make example` starts it."""
