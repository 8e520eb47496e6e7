"""Sounds from files to spectrograms."""

from mm_audio.modality.audio import AudioModality

__all__ = ["AudioModality"]
