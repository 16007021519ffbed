"""Pictures from afar and links to the partners' own hosts leave generated text, while it streams.

A remote picture tells its host that this answer was read: `![](https://…)` and `<img src="https://…">` go, whoever hosts them. A link to
a partner keeps its label only, and not even that where it is a name that the user did not write; a bare address of a partner goes. Never
touches code, other links, pictures in the text itself (`data:`, relative), or addresses that the user wrote.
"""

from __future__ import annotations

import re

from lizi.veil.brand_asked import Asked
from lizi.veil.brand_book import BrandBook
from lizi.veil.brand_text import Fence, folded_text, language

__all__ = ["HELD_CHARACTERS", "Links"]

HELD_CHARACTERS = 100
"""A label and a host fit; what is longer is judged by the address behind it."""
_TAIL_CHARACTERS = 2048
_MARKS = 20
"""Marks at the end of an address belong to it only if it goes on behind them; so many are none."""
_LINE_CHARACTERS = 160
"""Of the line before a link, to see whether it stands in a code span."""

_PICTURE = re.compile(r"!\[([^\]\n]*)\](?:\(\s*<?\s*(?P<to>[^\s)]{0,12})|(?P<reference>\[)|(?P<other>[^(\[]))")
_LABELLED = re.compile(r"\[([^\[\]\n]*)\]\(\s*<?(?:https?:)?//(?P<host>[^\s/?#()\[\]>\"'\\]+)[\s/?#()\[\]>\"'\\]")
_LABELLED_OPEN = re.compile(r"\[[^\[\]\n]*(?:\](?:\(\s*<?[^\s)>]*)?)?\Z")
_HOST = re.compile(r"//(?P<host>[^\s/?#)>\"'\\]*)(?P<end>[\s/?#)>\"'\\])?")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)(?P<host>[^\s/?#)>\]\"'`\\，。；、）」』<]*)(?=[\s/?#)>\]\"'`\\，。；、）」』<])", re.IGNORECASE
)
_BODY = re.compile(
    r"(?:[.,;:!?]{1,20}(?=[^.,;:!?\s<>\"'`)\]\u3000-\u303f\uff00-\uffef\u4e00-\u9fff\\])"
    r"|[^\s<>\"'`)\].,;:!?\u3000-\u303f\uff00-\uffef\u4e00-\u9fff\\])*"
)
_TAG = re.compile(r"<(?:img|iframe|embed|object|script|link|video|audio|source|picture|input|body|table|a|/a)(?=[\s/>])", re.IGNORECASE)
_TAG_OPEN = re.compile(r"<(?:/?[a-z]{0,7}|https?:?/?/?)\Z", re.IGNORECASE)
_REMOTE = re.compile(
    r"(?:src|srcset|href|data|poster|background)\s*=\s*(?:\\?[\"'])?\s*(?:https?:)?//(?P<host>[^\s/?#>\"'\\]*)", re.IGNORECASE
)
_LOCAL = re.compile(r"(?:src|data)\s*=\s*(?:\\?[\"'])?\s*(?:data:|\.?/[^/]|[\w-]+\.)", re.IGNORECASE)


class Links:
    """Machine: text in, text out. Holds at most 100 characters, from what may begin a link on. Never raises."""

    __slots__ = ("_anchor", "_asked", "_book", "_dropping", "_fence", "_held", "_last", "_tail", "changed")

    def __init__(self, book: BrandBook, asked: Asked) -> None:
        self._book = book
        self._asked = asked
        self._held = ""
        self._dropping = ""
        """What goes on to be left out: `body` of an address, or up to this closing mark."""
        self._anchor = False
        """The closing tag of a link that went has still to go."""
        self._last = ""
        self._tail = ""
        self._fence = Fence()
        self.changed = 0

    @property
    def idle(self) -> bool:
        """Text without a cue passes as it is."""
        return not (self._held or self._dropping or self._fence.open or self._fence.ticks)

    def passed(self, text: str) -> None:
        """Text without a cue went by while idle."""
        self._tail += text
        self._last = text[-1:] or self._last
        if len(self._tail) > _TAIL_CHARACTERS:
            self._tail = self._tail[-_LINE_CHARACTERS:]

    def feed(self, text: str) -> str:
        """What of this, and of what was held, can go out."""
        return self._work(text, last=False)

    def close(self) -> str:
        """The rest."""
        return self._work("", last=True)

    def _work(self, text: str, *, last: bool) -> str:
        text = self._last + self._held + text
        position = len(self._last)
        self._held = ""
        out: list[str] = []
        while position < len(text):
            if self._dropping:
                position = self._drop(text, position, last)
                continue
            match = self._book.links.search(text, position)
            start = match.start() if match else len(text)
            position = self._let(text, position, start, out)
            if match is None:
                break
            if self._fence.open or self._in_code():
                closing = text.find("`", start)
                position = self._let(text, start, closing + 1 if closing >= 0 else len(text), out)
                continue
            end = self._link(text, start, out, last)
            if end < 0:
                self._held = text[start:]
                break
            position = end
        done = len(text) - len(self._held)
        self._last = text[max(done - 1, 0) : done]
        return "".join(out)

    def _let(self, text: str, start: int, end: int, out: list[str]) -> int:
        piece = text[start:end]
        out.append(piece)
        self._fence.passed(piece)
        self.passed(piece)
        return end

    def _in_code(self) -> bool:
        line = self._tail[-_LINE_CHARACTERS:].rpartition("\n")[2]
        return line.replace("```", "").count("`") % 2 == 1

    def _drop(self, text: str, position: int, last: bool) -> int:
        if self._dropping == "body":
            match = _BODY.match(text, position)
            end = match.end() if match else position
            rest = text[end:]
            if not rest or (not last and len(rest) <= _MARKS and not rest.strip(".,;:!?")):
                self._held = rest
                return len(text)
            self._dropping = ""
            return end
        for index in range(position, len(text)):
            if text[index] == self._dropping or text[index] == "\n":
                found = text[index] == self._dropping
                self._dropping = ""
                return index + found
        return len(text)

    # --- one link ---

    def _link(self, text: str, start: int, out: list[str], last: bool) -> int:
        """Deal with what begins at `start`; where to go on, or -1 when more must come."""
        full = last or len(text) - start >= HELD_CHARACTERS
        window = text[start : start + HELD_CHARACTERS] if not last else text[start:] + " "
        first = text[start]
        if first == "!":
            end = self._picture(text, start, window, out, full)
        elif first == "[":
            end = self._labelled(text, start, window, out, full)
        elif first == "<":
            end = self._tag(text, start, window, out, full)
        else:
            end = self._address(text, start, window, out, full)
        return end if end < 0 else min(end, len(text))

    def _picture(self, text: str, start: int, window: str, out: list[str], full: bool) -> int:
        match = _PICTURE.match(window)
        if match is None:
            if not full and "\n" not in window and window.startswith("!["[: len(window)]):
                return -1
            if window.startswith("![") and "\n" not in window and "]" not in window:
                self.changed += 1
                return start + 1  # too long a label to wait for: as a link it is not fetched by itself
            return self._let(text, start, start + 1, out)
        if match["reference"]:
            self.changed += 1
            self._dropping = "]"
            return start + match.end()
        if match["other"] is not None:
            if match[1].isdigit():
                return self._let(text, start, start + 1, out)
            self.changed += 1
            return start + 1  # its address may stand anywhere else in the text
        to = match["to"].lower()
        if start + match.end() == len(text) and len(to) < 8 and not full:
            return -1
        if to.startswith(("http:", "https:", "//")):
            host = _HOST.search(window, match.start("to"))
            if (host is None or host["end"] is None) and not full:
                return -1
            if host is not None and host["end"] is not None and self._written(host["host"]):
                return self._let(text, start, start + 2, out)
            self.changed += 1
            self._dropping = ")"
            return start + match.end()
        return self._let(text, start, start + 2, out)

    def _labelled(self, text: str, start: int, window: str, out: list[str], full: bool) -> int:
        match = _LABELLED.match(window)
        if match is None:
            if not full and _LABELLED_OPEN.match(window):
                return -1
            return self._let(text, start, start + 1, out)
        if not self._partner(match["host"]):
            return self._let(text, start, start + match.end() - 1, out)
        self.changed += 1
        label = self._label(match[1])
        out.append(label)
        self.passed(match[1])
        self._dropping = ")"
        return start + match.end() - 1

    def _label(self, label: str) -> str:
        """What stays of a link to a partner: its words, or the feature where they are the partner's name and the user did not say it."""
        mentions = self._book.read(label, sure=True).mentions if self._asked.known else []
        if all(self._asked.has_alias(mention.alias) for mention in mentions):
            return label
        return self._book.name(language(label, "en"))

    def _tag(self, text: str, start: int, window: str, out: list[str], full: bool) -> int:
        if re.match(r"<https?://", window, re.IGNORECASE):
            match = _ADDRESS.match(window, 1)
            if match is None and not full:
                return -1
            if match and self._partner(match["host"]):
                self.changed += 1
                self._dropping = ">"
                return start + match.end()
            return self._let(text, start, start + (match.end() if match else 1), out)
        tag = _TAG.match(window)
        if tag is None:
            if not full and _TAG_OPEN.match(window):
                return -1
            return self._let(text, start, start + 1, out)
        close = window.find(">")
        if close < 0 and not full:
            return -1
        inside = window[: close + 1] if close >= 0 else window
        remote = _REMOTE.search(inside)
        if tag.group().lower() == "</a":
            if self._anchor:
                self._anchor = False
                return start + len(inside)
            return self._let(text, start, start + len(inside), out)
        if tag.group().lower() == "<a":
            if remote and self._partner(remote["host"]):
                shut = window.lower().find("</a", close) if close >= 0 else -1
                if shut < 0 and not full:
                    return -1
                self.changed += 1
                self._anchor = True
                words = window[close + 1 : shut]
                if shut >= 0 and (label := self._label(words)) != words:
                    out.append(label)
                    self.passed(words)
                    return start + shut
                self._dropping = "" if close >= 0 else ">"
                return start + len(inside)
            return self._let(text, start, start + (close + 1 if close >= 0 else 1), out)
        ended = remote is not None and remote.end() < len(inside)  # a host that is cut may begin like any word
        gone = (remote is not None and not (ended and self._written(remote["host"]))) or (close < 0 and _LOCAL.search(inside) is None)
        if gone:
            self.changed += 1
            self._dropping = "" if close >= 0 else ">"
            return start + len(inside)
        return self._let(text, start, start + (close + 1 if close >= 0 else 1), out)

    def _address(self, text: str, start: int, window: str, out: list[str], full: bool) -> int:
        match = _ADDRESS.match(window)
        if match is None:
            return self._let(text, start, start + 1, out) if full else -1
        if not self._partner(match["host"]):
            return self._let(text, start, start + match.end(), out)
        self.changed += 1
        self._dropping = "body"
        marks = match["host"]
        return start + match.end() - (len(marks) - len(marks.rstrip(".,;:!?")))

    def _partner(self, host: str) -> bool:
        return self._book.hosts(host) and not self._written(host.rpartition("@")[2].partition(":")[0].lower().strip("."))

    def _written(self, host: str) -> bool:
        """The user wrote this host, and not a longer one that it is a part of."""
        host = folded_text(host)
        known = self._asked.known and bool(host)
        return known and re.search(rf"(?<![\w.-]){re.escape(host)}(?!\.?[\w-])", self._asked.text) is not None
