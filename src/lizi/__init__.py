"""Lizi (里子, "the lining"): the self-hosted layer between a maker's devices and partners' models."""

__version__ = "0.1.0"

__all__ = ["__version__"]
