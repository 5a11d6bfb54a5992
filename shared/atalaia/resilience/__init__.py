"""What keeps a caller alive while a dependency is not: breakers, waits that grow, tries that repeat."""
