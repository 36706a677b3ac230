"""The commands for alerts in conf/alerts: each tells a real receiver on this machine, as the service would run it."""

import http.server
import json
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest

from dohproxy.jobs.alert_sender import run
from dohproxy.observability.alert_messages import MessageResult, message_of
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from tests.conftest import FindProgram

COMMANDS = Path(__file__).parents[2] / "conf" / "alerts"
BEGIN = AlertEvent(AlertKind.LISTED, "", True, '4,100 "new" networks — today', "read docs/listed.md", 100.0, 100.0)
END = AlertEvent(AlertKind.LISTED, "", False, "4,100 networks", "", 100.0, 820.0)


@dataclass(slots=True)
class Receiver:
    """An HTTP server that takes everything."""

    address: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = {name.lower(): value for name, value in self.headers.items()}
            found.requests.append((self.command, self.path, fields, body))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


async def tell(event: AlertEvent, name: str, *arguments: str) -> MessageResult:
    message = message_of(event, "doh.example.net", 1_772_334_000.0)
    result, _ = await run((str(COMMANDS / name), *arguments), message, {}, 20.0)
    return result


def _commands() -> list[Path]:
    return sorted(COMMANDS.iterdir())


@pytest.mark.parametrize("command", _commands(), ids=lambda path: str(path.name))
def test_a_command_is_a_sound_script_that_can_be_started(command: Path, find_program: FindProgram) -> None:
    assert command.stat().st_mode & stat.S_IXUSR
    assert command.read_text(encoding="utf-8").startswith("#!/bin/sh\n# ")
    found = subprocess.run(
        [find_program("shellcheck", "shellcheck"), str(command)], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


async def test_ntfy_gets_a_title_a_priority_and_the_text(receiver: Receiver, find_program: FindProgram) -> None:
    find_program("curl", "curl")
    assert await tell(BEGIN, "ntfy", f"{receiver.address}/topic") is MessageResult.SENT
    assert await tell(END, "ntfy", f"{receiver.address}/topic") is MessageResult.SENT
    (method, path, fields, body), (_, _, later, _) = receiver.requests
    assert (method, path) == ("POST", "/topic")
    assert (fields["title"], fields["priority"]) == ("doh.example.net: listed", "high")
    assert body.decode() == 'doh.example.net: 4,100 "new" networks — today.\nWhat to do: read docs/listed.md.'
    assert later["priority"] == "default"


async def test_matrix_gets_a_message_in_the_room_and_the_token_in_a_field(
    receiver: Receiver, tmp_path: Path, find_program: FindProgram
) -> None:
    for needed in ("curl", "jq"):
        find_program(needed, needed)
    token = tmp_path / "token"
    token.write_text("Authorization: Bearer secret\n", encoding="utf-8")
    assert await tell(BEGIN, "matrix", receiver.address, "!room:example.net", str(token)) is MessageResult.SENT
    [(method, path, fields, body)] = receiver.requests
    assert (method, fields["authorization"]) == ("PUT", "Bearer secret")
    assert unquote(path).startswith("/_matrix/client/v3/rooms/!room:example.net/send/m.room.message/dohproxy-")
    assert path.count("/") == 8
    assert json.loads(body)["msgtype"] == "m.text"
    assert json.loads(body)["body"].startswith('doh.example.net: 4,100 "new" networks — today.')


@pytest.mark.parametrize("name", ["ntfy", "matrix"])
async def test_a_receiver_that_refuses_is_a_failure(
    receiver: Receiver, tmp_path: Path, name: str, find_program: FindProgram
) -> None:
    for needed in ("curl", "jq"):
        find_program(needed, needed)
    token = tmp_path / "token"
    token.write_text("Authorization: Bearer secret\n", encoding="utf-8")
    receiver.status = 403
    assert await tell(BEGIN, name, receiver.address, "!room:example.net", str(token)) is MessageResult.FAILED


async def test_mail_is_given_to_sendmail_whole(tmp_path: Path) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments; cat > {tmp_path}/mail\n', encoding="utf-8")
    sendmail.chmod(stat.S_IRWXU)
    assert await tell(BEGIN, "mail", "duty@example.net", str(sendmail)) is MessageResult.SENT
    assert (tmp_path / "arguments").read_text(encoding="utf-8") == "-t\n"
    head, _, body = (tmp_path / "mail").read_text(encoding="utf-8").partition("\n\n")
    assert "To: duty@example.net\nSubject: doh.example.net: listed\n" in head
    assert body.startswith('doh.example.net: 4,100 "new" networks — today.\nWhat to do: read docs/listed.md.')
    assert "Since: 2026-03-01T03:00:00Z" in body


async def test_that_it_is_over_stands_in_the_subject_of_a_mail(tmp_path: Path) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat > {tmp_path}/mail\n", encoding="utf-8")
    sendmail.chmod(stat.S_IRWXU)
    assert await tell(END, "mail", "duty@example.net", str(sendmail)) is MessageResult.SENT
    assert "Subject: doh.example.net: over: listed\n" in (tmp_path / "mail").read_text(encoding="utf-8")
