"""Reads a page as a browser would, as far as the tests need it."""

from __future__ import annotations

from html.parser import HTMLParser

EMPTY = {"meta", "br", "img"}


class Page(HTMLParser):
    """Checks that tags are balanced and notes what a reader needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]

    def having(self, name: str, value: str) -> list[dict[str, str | None]]:
        """The attributes of each element that has this one."""
        return [attributes for _, attributes in self.tags if attributes.get(name) == value]
