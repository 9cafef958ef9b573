"""Reader of the product's pages."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """Elements, forms and text of a page.

    Args:
        text: the page's HTML.

    Attributes:
        elements: name and attributes of each element, in order.
        forms: values of hidden fields by name, for each form that is sent (POST), by the path that it is sent to.
        text: all text between the elements.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: dict[str, dict[str, str]] = {}
        self.text = ""
        self._hidden: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "form":
            is_sent = attributes.get("method", "").lower() == "post"
            self._hidden = self.forms.setdefault(attributes["action"].partition("#")[0], {}) if is_sent else {}
        elif tag == "input" and attributes.get("type") == "hidden":
            self._hidden[attributes["name"]] = attributes["value"]

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Returns the attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]
