"""Sets whose files name pictures and say something of them, in the formats that they are published in."""

from mm_sources.annotations.coco_captions import CocoCaptionsSource
from mm_sources.annotations.conversations import ConversationsSource
from mm_sources.annotations.flickr8k import Flickr8kSource
from mm_sources.annotations.image_folder import ImageFolderSource
from mm_sources.annotations.vqa_v2 import VQAv2Source

__all__ = ["CocoCaptionsSource", "ConversationsSource", "Flickr8kSource", "ImageFolderSource", "VQAv2Source"]
