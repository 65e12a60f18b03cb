"""The documentation's site."""

import configparser
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from dvc_render.html import HTML

from cropperhead import params


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr  # a broken link ends a strict build
    return folder


def test_every_page_is_in_the_site(site):
    sources = {file.relative_to(ROOT / "docs") for file in (ROOT / "docs").rglob("*.md")}
    built = {file.relative_to(site).with_suffix(".md") for file in site.rglob("*.html")}
    assert len(sources) > 10
    assert sources <= built


def test_the_reference_describes_the_public_api(site):
    page = (site / "reference.html").read_text(encoding="utf-8")
    for name in ("load", "Cropper.suggest", "Crop.lightroom", "Crop.pixels"):
        assert f'id="cropperhead.api.{name}"' in page


def test_no_page_loads_anything_from_another_host(site):
    for file in site.rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        assert not re.findall(r'src="(?:https?:)?//[^"]+"', page), file
        assert not re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="https?:[^"]+"', page), file


def test_each_section_on_speed_says_how_its_figures_were_measured():
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    measured = [one for one in sections if not one.startswith("Why it is fast")]
    assert len(measured) > 5
    for section in measured:
        assert "benchmarks/" in section or "*By hand" in section, section.split("\n")[0]


def test_every_benchmark_that_a_page_names_exists():
    for page in (ROOT / "docs").rglob("*.md"):
        for name in re.findall(r"benchmarks/(\w+\.py)", page.read_text(encoding="utf-8")):
            assert (ROOT / "benchmarks" / name).exists(), f"{page.name}: {name}"


def test_every_value_that_a_page_has_people_try_is_one_that_the_network_uses():
    pages = [ROOT / "README.md", ROOT / "params.yaml", *(ROOT / "docs").rglob("*.md")]
    tried = [
        name
        for page in pages
        for line in re.findall(r"dvc exp run .*", page.read_text(encoding="utf-8"))
        for name in re.findall(r"-S '?([\w.]+)=", line)
    ]
    assert len(tried) > 4
    assert set(tried) <= set(params.effective(params.load(ROOT / "params.yaml")))


@pytest.mark.parametrize("has_network", [False, True])
def test_the_page_of_plots_says_that_curves_are_missing_without_a_network(browser, has_network):
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    template = (ROOT / ".dvc" / config["plots"]["html_template"]).read_text(encoding="utf-8")
    vega = '<script src="https://cdn.jsdelivr.net/npm/vega-embed@6"></script>'
    content = HTML(template).with_scripts(vega).with_element("<div>a plot</div>").embed()
    page = browser.new_page()
    body = "function vegaEmbed() {}"
    page.route("**/*", lambda one: one.fulfill(body=body) if has_network else one.abort())
    page.set_content(content)
    assert "a plot" in page.inner_text("body")
    assert page.is_visible("text=The curves are missing") is not has_network
    page.close()
