"""Every text of a page is there in Russian, and says with the same words what is put into it."""

import re
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

PAGES = Path(__file__).parent.parent / "api" / "pages"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
KEYWORDS = {
    "_": None, "gettext": None, "say": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2),
}  # fmt: skip
with (PAGES / "locale" / "ru.po").open("rb") as file:
    RUSSIAN = read_po(file, locale="ru", abort_invalid=True)


def asked_for() -> set[tuple[str, str | None]]:
    """Texts, the first of each, with what they are texts of where it is said."""
    found = extract_from_dir(PAGES, METHODS, OPTIONS, KEYWORDS)
    first = ((one[0] if isinstance(one, tuple) else one, of) for _, _, one, _, of in found)
    return {(text, of) for text, of in first if text}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def test_no_text_is_without_its_russian() -> None:
    asked = asked_for()
    assert len(asked) > 200
    without = [one for one in asked if (known := RUSSIAN.get(*one)) is None or not known.string]
    assert without == []


def test_a_russian_text_puts_in_what_the_english_does() -> None:
    for message in RUSSIAN:
        if not message.id:
            continue
        english, russian = all_of(message.id), all_of(message.string)
        assert all(russian), english
        assert names_in("".join(russian)) <= names_in("".join(english)), english


def all_of(text: object) -> list[str]:
    """The forms of a text that has several."""
    return [*map(str, text)] if isinstance(text, list | tuple) else [str(text or "")]
