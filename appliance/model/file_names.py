"""Names of configuration files: readable, and valid as an interface's name on every system.

A file's name is that of the interface that wg-quick makes of it, with the suffix ``.conf``. The apps for Windows, macOS
and Android use it as the tunnel's name, and replace a tunnel that has it already.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import count

# Linux: IFNAMSIZ is 16 with the closing NUL; wg-quick(8) and the app for Android take [a-zA-Z0-9_=+.-]{1,15}.
LONGEST_INTERFACE = 15
_WORD = re.compile(r"[a-z0-9_=+.]+")
# Device names of Windows, with anything after their first dot, and links and settings of Linux.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?|lo|all|default")
# For names that are reserved or have no letter.
_PREFIX = "wg-"
_MOST_NUMBERED = 9
_MOST_WORDS = 8


def interface_names(machine_name: str) -> Iterator[str]:
    """Endless distinct valid names that resemble the machine's, the best first.

    All are in lower case, because many file systems and the apps ignore case. wg-quick takes 67 characters; a name of
    which nothing readable is left, such as one in another script, becomes a short digest.
    """
    words = _words(machine_name)
    yielded: set[str] = set()
    for suffix in _suffixes(machine_name):
        name = _fitted(words, LONGEST_INTERFACE - len(suffix)) + suffix
        if _needs_prefix(name):
            name = _PREFIX + _fitted(words, LONGEST_INTERFACE - len(_PREFIX) - len(suffix)) + suffix
        if name not in yielded:
            yielded.add(name)
            yield name


def _words(machine_name: str) -> Sequence[str]:
    plain = unicodedata.normalize("NFKD", machine_name).encode("ascii", "ignore").decode().lower()
    words = [word for each in _WORD.findall(plain) if (word := each.strip("."))]
    if not any(character.isalnum() for word in words for character in word):
        return ["wg", hashlib.sha256(machine_name.encode()).hexdigest()[:8]]
    # Both ends of a long name tell it from others.
    return words if len(words) <= _MOST_WORDS else words[: _MOST_WORDS // 2] + words[-_MOST_WORDS // 2 :]


def _needs_prefix(name: str) -> bool:
    # Many tools read a number as the index of an interface.
    return _RESERVED.fullmatch(name) is not None or not re.search("[a-z]", name)


def _suffixes(machine_name: str) -> Iterator[str]:
    yield ""
    yield from (f"-{number}" for number in range(2, _MOST_NUMBERED + 1))
    for number in count():
        yield "-" + hashlib.sha256(f"{number} {machine_name}".encode()).hexdigest()[:6]


def _fitted(words: Sequence[str], room: int) -> str:
    """Join words with dashes in at most `room` characters; the number at their end stays whole."""
    name = "-".join(words).strip(".")
    if len(name) <= room:
        return name
    *others, last = words
    number = _closing_digits(last)[1 - room // 2 :]
    stem = last.removesuffix(number)
    shown = [*others, stem] if stem else others
    if not shown:
        return number
    end = number if stem or not number else f"-{number}"
    return (_shortened(shown, room - len(end)) + end).strip(".")


def _shortened(words: Sequence[str], room: int) -> str:
    """Join words with dashes; longer words lose letters before their closing digits."""
    words = words[-((room + 1) // 2) :]
    letters = room - (len(words) - 1)
    longest = max(most for most in range(1, room + 1) if sum(min(len(word), most) for word in words) <= letters)
    left = letters - sum(min(len(word), longest) for word in words)
    fitted = []
    for word in words:
        more = 1 if len(word) > longest and left > 0 else 0
        left -= more
        fitted.append(_cut(word, longest + more))
    return "-".join(fitted)


def _cut(word: str, most: int) -> str:
    if len(word) <= most:
        return word
    digits = _closing_digits(word)[-(most - 1) :] if most > 1 else ""
    return word[: most - len(digits)] + digits


def _closing_digits(word: str) -> str:
    return word[len(word.rstrip("0123456789")) :]
