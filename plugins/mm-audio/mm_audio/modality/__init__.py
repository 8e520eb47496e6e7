"""Sounds from files to spectrograms."""

from mm_audio.modality.audio import AudioModality
from mm_audio.modality.spectrogram import SpectrogramModality

__all__ = ["AudioModality", "SpectrogramModality"]
