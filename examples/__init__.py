"""Applications as somebody else would write them, with Atalaia in them."""
