"""The officer's page in Chromium, without network: what she sees, by mouse, by keyboard, on paper and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import Opened, running_chromium
from place import Place
from playwright.sync_api import Browser

from kpr.steps.last_year import give_last_year
from kpr.steps.officer import write_page
from kpr.steps.plausibility import explain, look
from kpr.steps.report import prepare, send_approved


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    with running_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a played submission with findings, swings that were explained, and both answers."""
    place = Place(tmp_path_factory.mktemp("officer"), persons=60)
    with place.settings.open("a", encoding="utf-8") as settings:
        settings.write("rules: {R-peKjonn-K: warn}\n")
    place.extract(unknown_sex=3)
    with place.open() as opened:
        give_last_year(opened, b"6;120\n15;4\npersoner;60\n", by="fagansvarlig")
        prepare(opened, by="leder")
        for line in [each.swing.line for each in look(opened).lines if each.waits]:
            explain(opened, line, why="ny tjeneste siden i fjor", by="fagansvarlig")
        submission, checked = prepare(opened, by="leder")
        send_approved(opened, submission, checked, by="leder", reason="gjennomgått")
    place.later(hours=1)
    place.exchange()
    page = place.folder / "innsending.html"
    with place.open() as opened:
        page.write_text(write_page(opened), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a submission that nothing stops but a number that swings."""
    place = Place(tmp_path_factory.mktemp("waiting"), persons=60)
    with place.open() as opened:
        numbers = prepare(opened, by="leder")[1].result.figures.lines
        give_last_year(opened, f"6;{numbers['6'] * 4 + 40}\n".encode(), by="fagansvarlig")
        checked = prepare(opened, by="leder")[1]
        assert {count.rule for count in checked.result.counts if count.blocks} == {"X32a"}
        page = place.folder / "innsending.html"
        page.write_text(write_page(opened, checked=checked), encoding="utf-8")
    return page


@contextmanager
def opened(browser: Browser, file: Path, **how: Any) -> Iterator[Opened]:
    """The page, closed at the end."""
    page = Opened(browser, file, **how)
    try:
        yield page
    finally:
        page.close()


def test_it_opens_without_network_and_asks_for_nothing(browser: Browser, file: Path) -> None:
    """One file is read and nothing else, and the browser has nothing to complain of."""
    with opened(browser, file) as seen:
        assert seen.page.title() == "1103 Eksempel kommune · 2020 · innsending 1"
        assert seen.asked == [file.as_uri()]
        assert seen.complaints == []


def test_what_to_do_now_stands_at_the_top(browser: Browser, file: Path) -> None:
    """The first section says what to do, with the three answers, and is seen without scrolling."""
    with opened(browser, file) as seen:
        first = seen.page.locator("main > section").first
        box = first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900
        said = first.inner_text()
        for words in ("Gjør dette nå", "Levert: ja", "Godtatt: ja", "Riktig: nei"):
            assert words in said


def test_the_switch_turns_everything_to_english_and_back(browser: Browser, file: Path) -> None:
    """After the switch no Norwegian heading is left, the document says its language, and back again all is as before."""
    with opened(browser, file) as seen:
        page = seen.page
        before = page.locator("main").inner_text()
        page.get_by_role("button", name="In English").click()
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.title() == "1103 Eksempel kommune · 2020 · submission 1"
        english = page.locator("main").inner_text()
        for words in ("Do this now", "Findings", "Users per service", "What was sent", "What has happened"):
            assert words in english
        for words in ("Gjør dette nå", "Funn\n", "Hva som har skjedd", "Identmelding", "meldingen"):
            assert words not in english
        page.get_by_role("button", name="På norsk").click()
        assert page.title() == "1103 Eksempel kommune · 2020 · innsending 1"
        assert page.locator("main").inner_text() == before


def test_the_address_can_ask_for_english(browser: Browser, file: Path) -> None:
    """A link that ends in ``#en`` opens the page in English."""
    with opened(browser, file, fragment="#en") as seen:
        assert seen.page.get_by_role("heading", name="Do this now").is_visible()


def test_the_search_and_the_filters_leave_what_fits(browser: Browser, file: Path) -> None:
    """A word, a severity and an owner each leave only rules that have them, and the count is told."""
    with opened(browser, file) as seen:
        page = seen.page
        rows = page.locator("#findings tbody tr")
        whole = rows.count()
        assert whole >= 2
        page.get_by_label("Søk i regler").fill("R-peKjonn-K")
        assert page.locator("#findings tbody tr:visible").count() == 1
        assert page.get_by_role("status").inner_text() == f"1 av {whole} regler vises"
        page.get_by_label("Søk i regler").fill("finnes ikke noe sted")
        assert page.locator("#findings tbody tr:visible").count() == 0
        page.get_by_label("Søk i regler").fill("")
        page.get_by_label("Alvor").select_option("ERROR")
        assert page.locator("#findings tbody tr:visible").count() == 1
        page.get_by_label("Alvor").select_option("")
        page.get_by_label("Hvem retter").select_option(label="kodetabellen")
        owners = page.locator("#findings tbody tr:visible")
        assert 0 < owners.count() < whole
        assert all("kodetabellen" in text for text in owners.all_inner_texts())


def test_it_works_by_keyboard_alone(browser: Browser, file: Path) -> None:
    """Tab reaches the way past the heading, the switch, the search and the places; Enter and letters do the rest."""
    with opened(browser, file) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#now"
        page.reload()
        reached = []
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert [
            name for name in ("language", "print", "search", "severity", "owner", "SUMMARY") if name not in reached
        ] == []
        page.get_by_label("Søk i regler").focus()
        page.keyboard.type("R-peKjonn")
        assert page.locator("#findings tbody tr:visible").count() == 1
        summary = page.locator("#findings tbody tr:visible summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("#findings tbody tr:visible details[open]").count() == 1
        outline = summary.evaluate("each => getComputedStyle(each).outlineStyle")
        assert outline != "none"


def test_a_screen_reader_finds_its_way(browser: Browser, file: Path) -> None:
    """Landmarks, headings in order, a name for every field, picture and table, and a heading for each column."""
    with opened(browser, file) as seen:
        page = seen.page
        assert page.get_by_role("main").count() == 1
        levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(later - former <= 1 for former, later in pairwise(levels))
        unnamed = page.locator("section:not([aria-labelledby])").count()
        assert unnamed == 0
        fields = page.locator("input, select").evaluate_all("all => all.filter(each => !each.labels.length).length")
        assert fields == 0
        pictures = page.locator("svg").evaluate_all(
            "all => all.filter(each => each.getAttribute('aria-hidden') !== 'true' && !each.getAttribute('aria-label')).length"
        )
        assert pictures == 0
        nameless = page.locator("table").evaluate_all("all => all.filter(each => !each.caption).length")
        assert nameless == 0
        assert page.locator("thead td").count() == 0
        bare = page.locator("thead th").evaluate_all("all => all.filter(each => each.scope !== 'col').length")
        assert bare == 0
        duplicates = page.evaluate(
            "(() => { const ids = [...document.querySelectorAll('[id]')].map(each => each.id);"
            " return ids.length - new Set(ids).size })()"
        )
        assert duplicates == 0


_CONTRAST = """
() => {
  const lum = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 };
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b) };
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (each) => { for (; each; each = each.parentElement) { const c = rgb(getComputedStyle(each).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c.slice(0, 3) } return [255, 255, 255] };
  const poor = [];
  for (const each of document.querySelectorAll("body *")) {
    if (![...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || each.closest("svg, script, style")) continue;
    const a = lum(rgb(getComputedStyle(each).color).slice(0, 3)), b = lum(behind(each));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(`${each.tagName} ${each.className} ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


def test_every_word_can_be_told_from_what_is_behind_it(browser: Browser, file: Path) -> None:
    """The contrast of all text is at least 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    with opened(browser, file) as seen:
        assert seen.page.evaluate(_CONTRAST) == []


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_it_fits_every_screen(browser: Browser, file: Path, width: int) -> None:
    """Nothing but the wide tables scrolls sideways, on a phone as on a desk."""
    with opened(browser, file, width=width) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_every_number_is_seen(browser: Browser, file: Path) -> None:
    """The users per service fit a phone without scrolling sideways, and so does what stands over each table."""
    with opened(browser, file, width=360) as seen:
        page = seen.page
        over = "all => all.filter(each => each.getBoundingClientRect().right > 360).map(each => each.textContent)"
        assert page.locator(".bars td, .bars tbody th, .caption").evaluate_all(over) == []
        assert page.locator(".bars tbody tr").first.get_by_text("i fjor").is_visible()


def test_on_paper_the_places_are_few(browser: Browser, tmp_path: Path, file: Path) -> None:
    """Of a long list of places the first ten are printed, and no picture goes over the edge of its table."""
    many = tmp_path / "mange.html"
    item = "<li>person 1, PERSON, rad 1</li>"
    many.write_text(file.read_text("utf-8").replace("<ul><li>", f"<ul>{item * 40}<li>", 1), encoding="utf-8")
    with opened(browser, many) as seen:
        page = seen.page
        page.emulate_media(media="print")
        page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
        assert page.locator("#findings details ul").first.locator("li:visible").count() == 10
        page.set_viewport_size({"width": 718, "height": 1000})
        assert page.locator(".bars").evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")


def test_only_a_number_that_swings_asks_for_a_reason(browser: Browser, waiting: Path) -> None:
    """What to do now is to write why, not to mend anything; nothing was approved, and the picture says so."""
    with opened(browser, waiting) as seen:
        first = seen.page.locator("main > section").first.inner_text()
        assert "«kpr swings explain»" in first
        assert "Kontrollen fant feil" not in first
        assert "stanser" in seen.page.locator("#findings tbody tr", has_text="X32a").inner_text()
        picture = seen.page.locator("svg.season:visible").inner_html()
        assert "○" in picture
        assert "◆" not in picture


def test_on_paper_everything_is_open_and_no_button_is_left(browser: Browser, file: Path) -> None:
    """What is folded on the screen is printed, and what only works on a screen is not."""
    with opened(browser, file) as seen:
        page = seen.page
        folded = page.locator("details:not([open])").count()
        assert folded > 0
        page.evaluate(
            "window.addEventListener('beforeprint', () => {"
            " window.folded = document.querySelectorAll('details:not([open])').length })"
        )
        assert page.pdf(format="A4").startswith(b"%PDF")
        assert page.evaluate("window.folded") == 0
        assert page.locator("details:not([open])").count() == folded
        page.emulate_media(media="print")
        assert not page.locator("#language").is_visible()
        assert not page.locator("#search").is_visible()


def test_without_scripts_it_is_a_norwegian_page(browser: Browser, file: Path) -> None:
    """Where scripts are forbidden everything is still there to read, in Norwegian."""
    context = browser.new_context(java_script_enabled=False, offline=True)
    try:
        page = context.new_page()
        page.goto(file.as_uri())
        assert page.get_by_role("heading", name="Gjør dette nå").is_visible()
        assert not page.get_by_role("heading", name="Do this now").is_visible()
        assert page.locator("#findings tbody tr").count() >= 2
    finally:
        context.close()
