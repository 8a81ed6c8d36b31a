"""The version, which is that of the library (the Makefile's, as Python spells it)."""
__version__ = "0.11.0"
