"""The schema, printed."""

import json

from dohproxy.config.json_schema import json_schema
from tests.cli.running import run


def test_it_is_printed_as_json() -> None:
    ended = run("config", "schema")
    assert ended.exit_code == 0
    assert json.loads(ended.stdout) == json_schema()
