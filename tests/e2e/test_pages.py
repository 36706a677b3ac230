"""The public pages as browsers, feed readers and curl have them, from a service that runs."""

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dns.message
import pytest

from dohproxy.pages.document import Kind, Language
from dohproxy.pages.edition import Edition
from dohproxy.pages.facts import Facts
from dohproxy.pages.proof import proof_at
from dohproxy.pages.setup_edition import setup_documents
from dohproxy.pages.setup_paths import TOKEN_MARK
from tests.conftest import FindProgram
from tests.e2e import zones
from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Sections, environment, running_proxy
from tests.e2e.unbound import Unbound
from tests.fakes.pages import CONFIG, DISTURBED, LIMITED, facts
from tests.pages.reading import read
from tests.profiles.offers import FULL

pytestmark = pytest.mark.long

SECONDS = 60


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def proxy(unbound: Unbound, authority: CertificateAuthority, directory: Path) -> Iterator[Proxy]:
    """A service with pages and a folder of them."""
    sections: Sections = {
        "server": {"host": "localhost"},
        "pages": {"enabled": True, "folder": str(directory / "copy"), "folder_seconds": 30},
        "about": {"name": "Example Association", "contact": "dns@example.org"},
    }
    shown = authority.issue(["localhost", LOOPBACK])
    settings = ProxySettings((f"udp://{LOOPBACK}:{unbound.port}",), authority, tls=shown, sections=sections)
    (directory / "proxy").mkdir()
    with running_proxy(directory / "proxy", settings) as running:
        wait_until(lambda: running.metric("dohproxy_page_published_seconds") > 0, 10, "the first page")
        yield running


def curl(find_program: FindProgram, proxy: Proxy, authority: CertificateAuthority, path: str, *options: str) -> str:
    argv = [find_program("curl", "curl"), "--silent", "--show-error", "--fail", "--max-time", "20"]
    argv += ["--cacert", str(authority.file), *options, f"https://localhost:{proxy.port}{path}"]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True, env=environment())
    return run.stdout


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_is_shown_the_page(
    find_program: FindProgram, proxy: Proxy, authority: CertificateAuthority, version: str
) -> None:
    page = curl(find_program, proxy, authority, "/", version, "--header", "Accept-Language: fr")
    assert "Le service fonctionne bien" in read(page.encode()).text
    assert "assuré par Example Association" in read(page.encode()).text
    head = curl(find_program, proxy, authority, "/", version, "--head")
    assert "content-length: " in head.lower()
    fields = dict(line.lower().split(": ", 1) for line in head.splitlines() if ": " in line)
    options = ("--header", f"If-None-Match: {fields['etag']}", "--write-out", "%{http_code}")
    assert curl(find_program, proxy, authority, "/", version, *options).startswith(("304", "<!DOCTYPE"))


def test_what_was_asked_is_on_the_page_as_a_number(
    find_program: FindProgram, proxy: Proxy, authority: CertificateAuthority
) -> None:
    with proxy.client() as client:
        assert client.get(dns.message.make_query(f"www.{zones.ORIGIN}", A).to_wire()).status == 200

    def questions() -> int:
        found = json.loads(curl(find_program, proxy, authority, "/status.json"))
        count = found["day"]["questions"]
        assert isinstance(count, int)
        return count

    wait_until(lambda: questions() > 0, 45, "the question on the page")
    assert zones.ORIGIN not in curl(find_program, proxy, authority, "/en")


def test_the_feed_is_xml_and_the_policy_says_what_the_file_says(
    find_program: FindProgram, proxy: Proxy, authority: CertificateAuthority
) -> None:
    assert ET.fromstring(curl(find_program, proxy, authority, "/incidents.atom")).tag.endswith("feed")  # noqa: S314
    policy = read(curl(find_program, proxy, authority, "/en/policy").encode()).text
    assert "With a restart all of it is forgotten" in policy
    assert "a resolver on the same machine or network" in policy


def test_the_folder_has_the_same_for_another_host(proxy: Proxy, directory: Path) -> None:
    copy = directory / "copy"
    wait_until(lambda: (copy / "status.json").exists(), 10, "the folder")
    assert "This is a copy" in read((copy / "index.html").read_bytes()).text
    assert proxy.metric("dohproxy_page_folder_written_seconds") > 0
    assert proxy.metric("dohproxy_page_folder_failures_total") == 0


# --- Browsers ---


def pages_of(told: Facts) -> dict[str, bytes]:
    """The pages of a copy, which need no server; and everybody's and a member's page about devices."""
    found = Edition(CONFIG).in_folder(told)
    pages = {name: one.body for name, one in found if one.kind in (Kind.STATUS, Kind.POLICY)}
    wanted = {("apple", Language.ENGLISH), ("member windows", Language.FRENCH)}
    members = replace(FULL, url=f"{FULL.url}/{TOKEN_MARK}")
    documents = setup_documents(FULL, members, proof_at("check.doh.invalid", 443))
    setup = [one for one in documents if (one.variant, one.language) in wanted]
    return pages | {f"setup.{one.language}.html": one.body for one in setup}


def chromium(find_program: FindProgram, home: Path, *options: str) -> str:
    argv = [find_program("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    argv += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={home / 'profile'}"]
    env = environment() | {"HOME": str(home)}
    run = subprocess.run([*argv, *options], capture_output=True, text=True, timeout=SECONDS, check=True, env=env)
    return run.stdout


MEASURE = b"""<script>addEventListener('load',()=>{const wide=document.documentElement.scrollWidth;
document.body.setAttribute('data-wide',wide+'/'+innerWidth)})</script>"""

COLLECT = """<script>addEventListener('load',()=>setTimeout(()=>{
const frames=[...document.querySelectorAll('iframe')];
document.title=frames.map(frame=>frame.contentDocument.body.dataset.wide).join(' ')},200))</script>"""


@pytest.mark.parametrize("told", [facts(), LIMITED, DISTURBED], ids=["well", "limited", "disturbed"])
def test_nothing_is_wider_than_a_telephone(find_program: FindProgram, tmp_path: Path, told: Facts) -> None:
    frames = []
    for name, body in pages_of(told).items():
        (tmp_path / name).write_bytes(body.replace(b"</body>", MEASURE + b"</body>"))
        frames.append(f'<iframe src="{name}" width="320" height="900" style="border:0"></iframe>')
    (tmp_path / "frames.html").write_text(f"<html><body>{''.join(frames)}{COLLECT}</body></html>", encoding="utf-8")
    dom = chromium(
        *(find_program, tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom"),
        (tmp_path / "frames.html").as_uri(),
    )
    title = dom.partition("<title>")[2].partition("</title>")[0]
    assert title.split() == ["320/320"] * len(frames)


@pytest.mark.parametrize(
    ("told", "scheme"),
    [(facts(), "light"), (LIMITED, "dark"), (DISTURBED, "light"), (DISTURBED, "dark")],
    ids=["well, light", "limited, dark", "disturbed, light", "disturbed, dark"],
)
def test_axe_finds_nothing(find_program: FindProgram, tmp_path: Path, axe: str, told: Facts, scheme: str) -> None:
    run = """<script>addEventListener('load',()=>axe.run({resultTypes:['violations']}).then(found=>{
document.title='axe:'+JSON.stringify(found.violations.map(one=>[one.id,one.nodes.map(node=>node.html)]))}))</script>"""
    for name, body in pages_of(told).items():
        page = body.decode().replace("</body>", f"<script>{axe}</script>{run}</body>")
        if scheme == "dark":
            page = page.replace("@media (prefers-color-scheme:dark)", "@media all")
        (tmp_path / name).write_text(page, encoding="utf-8")
        dom = chromium(find_program, tmp_path, "--virtual-time-budget=15000", "--dump-dom", (tmp_path / name).as_uri())
        title = dom.partition("<title>")[2].partition("</title>")[0]
        assert title == "axe:[]", (name, title)
