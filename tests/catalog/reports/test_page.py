"""The HTML stands alone: escaped, without script or address, its links inside itself, and it shows every fact."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from catalog.domain.report import REPORT_HTML, Bundle, Report
from tests.catalog.reports.conftest import HOSTILE

TAGS = frozenset(
    "html head meta title style body h1 h2 h3 p div table thead tbody tr th td ul li code a".split()  # noqa: SIM905
)
ATTRIBUTES = frozenset({"lang", "charset", "http-equiv", "content", "name", "class", "id", "scope", "href"})


class Reader(HTMLParser):
    """What a browser would find."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found: dict[str, Any] = dict(attrs)
        self.attributes |= found.keys()
        self.links |= {found["href"]} if "href" in found else set()
        self.ids += [found["id"]] if "id" in found else []

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(bundle: Bundle) -> str:
    return bundle.files[REPORT_HTML]


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    found = Reader()
    found.feed(page)
    found.close()
    return found


def test_only_what_shows_text_is_in_it(reader: Reader) -> None:
    assert reader.tags <= TAGS
    assert reader.attributes <= ATTRIBUTES


def test_hostile_text_is_shown_as_it_is(page: str, reader: Reader) -> None:
    assert HOSTILE in reader.text
    assert "<script" not in page
    assert "<img" not in page


def test_it_needs_nothing_beside_itself(page: str, reader: Reader) -> None:
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in unescape(page)
    assert all(link.startswith("#") for link in reader.links)


def test_every_link_leads_somewhere_inside(reader: Reader) -> None:
    assert len(reader.ids) == len(set(reader.ids))
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)


def test_every_fact_of_the_report_is_shown(said: Report, reader: Reader) -> None:
    """Two renderings of one document: nothing is in the one and not in the other."""
    flat = " ".join(reader.text.split())

    def shown(text: str) -> bool:
        return " ".join(text.split()) in flat

    for section in said.sections:
        assert shown(section.question)
        assert shown(section.answer)
        assert all(shown(note) for note in section.notes)
        for fact in section.facts:
            assert shown(str(fact.value)), fact
        for table in section.tables:
            for row in table.rows:
                assert all(shown(cell) for cell in row.cells), row
    for document in said.documents:
        assert shown(document.sha256)
    assert "ALLOWED: verification PASSED" in flat
