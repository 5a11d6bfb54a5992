"""What the load generator reads from its environment."""

from atalaia.settings import Settings


class LoadgenSettings(Settings):
    """Nothing of its own yet."""
