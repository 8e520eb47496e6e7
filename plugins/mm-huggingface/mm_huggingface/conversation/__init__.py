"""Conversations, and plain texts, by the tokenizer and the chat template of a model of Hugging Face."""

from mm_huggingface.conversation.modality import Conversation

__all__ = ["Conversation"]
