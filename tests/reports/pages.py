"""Pages of runs as a browser reads them, and text that would be markup there."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from reports import texts

HOSTILE = (
    "</script></style></pre>\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}{% endfor %}&lt;\x1b[2J"
)


@dataclass
class Page(HTMLParser):
    """A page as a browser would read it.

    Attributes:
        tags: every tag with its attributes, in order.
        said: every text between tags that is not style, with white space as browsers show it.
    """

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    style: str = ""
    said: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.text)
        self.close()
        self.said = " ".join(self.said.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style":
            self.style += data
        else:
            self.said += f" {data} "

    @property
    def shape(self) -> list[str]:
        """Returns the tags only."""
        return [tag for tag, _ in self.tags]


def flat(text: str) -> str:
    """Returns the text as a page shows it."""
    return " ".join(texts.printable(text).split())
