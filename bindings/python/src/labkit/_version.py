"""The binding's version; what travels in each request as `sdk.version`."""

__version__ = "0.1.0"
