"""Pictures from files to tensors."""

from mm_image.modality.image import ImageModality

__all__ = ["ImageModality"]
