"""The built pages are complete, fit on any screen and load nothing from elsewhere.

``.ci/run`` builds the pages. Without built pages, these tests are skipped.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from benchmarks.browser import MISSING, Tab, browsing

BUILT = Path(__file__).parents[1] / "docs" / "_build" / "html"
PAGES = [
    str(path.relative_to(BUILT))
    for path in sorted(BUILT.rglob("*.html"))
    if "_static" not in path.parts
]
# Elements that are cut off or need horizontal scrolling. Code and tables may overflow.
CUT_OFF = """
return [...document.querySelectorAll("main, .bd-article-container, header")]
  .filter(element => element.scrollWidth > element.clientWidth + 1)
  .map(element => element.className)
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGES, reason="the pages have not been built"),
]


@pytest.fixture(scope="module")
def soup():
    return {
        page: BeautifulSoup((BUILT / page).read_text(), "html.parser") for page in PAGES
    }


def test_no_link_is_broken(soup):
    names = {
        page: {tag["id"] for tag in tree.find_all(id=True)}
        for page, tree in soup.items()
    }
    for page, tree in soup.items():
        for link in {tag["href"] for tag in tree.find_all(href=True)}:
            parts = urlsplit(link)
            if parts.netloc or not (parts.path or parts.fragment):
                continue
            target = (BUILT / page).parent / unquote(parts.path)
            target = BUILT / page if not parts.path else target.resolve()
            assert target.is_file(), (page, link)
            if parts.fragment and target.suffix == ".html":
                anchors = names[str(target.relative_to(BUILT))]
                assert unquote(parts.fragment) in anchors, (page, link)


def test_every_picture_exists(soup):
    for page, tree in soup.items():
        for picture in tree.find_all("img"):
            assert picture.has_attr("alt"), (page, picture)
            # The page itself draws the pictures of an animation.
            if "src" in picture.attrs:
                assert (BUILT / page).parent.joinpath(picture["src"]).is_file(), page


@pytest.mark.skipif(MISSING is not None, reason=f"{MISSING} is not installed")
@pytest.mark.parametrize("width", [1300, 400])
def test_pages_fit_the_screen_and_load_nothing_from_elsewhere(width):
    with browsing() as driver:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        page = Tab(driver, BUILT.as_uri())
        for name in PAGES:
            driver.get(f"{page.address}/{name}")
            assert page.run(CUT_OFF) == [], name
            elsewhere = [url for url in page.requests() if url.startswith("http")]
            assert elsewhere == [], name
        assert page.errors() == []
