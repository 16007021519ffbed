"""Text → what must not be seen: recognisers of personal data and secrets, by form, checksum, context and lists.

Pure, and below the rooms: it finds, others decide what to do with it. Never raises on any text, never
keeps one, and takes time in proportion to its length.
"""

from lizi.text.found import ALL, KINDS, Found
from lizi.text.matcher import Matcher
from lizi.text.phrases import PHRASE, Phrases
from lizi.text.stretches import passages, recognise

__all__ = ["ALL", "KINDS", "PHRASE", "Found", "Matcher", "Phrases", "passages", "recognise"]
