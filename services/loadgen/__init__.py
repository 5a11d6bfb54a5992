"""The load generator: as a service it waits to be asked."""
