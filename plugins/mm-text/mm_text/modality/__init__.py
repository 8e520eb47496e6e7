"""Texts to the numbers of their tokens, and back."""

from mm_text.modality.text import TextModality

__all__ = ["TextModality"]
