"""The collector: psutil in, `atalaia.metrics.host…` out."""
