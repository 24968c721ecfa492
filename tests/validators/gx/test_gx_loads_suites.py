"""Great Expectations itself loads every shipped suite; in a process of its own, because importing it warns and is slow."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from validators import suites

pytestmark = pytest.mark.skipif(find_spec("great_expectations") is None, reason="needs the extra `gx`")

SCRIPT = """
import json, sys
from pathlib import Path
from validators import gx, suites
from validators.errors import InvalidSuite
gx.register()
found = {}
for name in suites.names():
    suite = gx.load(suites.SHIPPED / f"{name}.json")
    found[name] = [[e.expectation_type, e.severity.value, type(e).__module__.split(".")[0]] for e in suite.expectations]
spoilt = Path(sys.argv[1])
gx.ExpectationSuite = lambda **kw: type("Empty", (), {"expectations": []})()
try:
    gx.load(spoilt)
except InvalidSuite as error:
    found["dropped"] = error.kind
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult as Result
document = json.loads(Path(sys.argv[2]).read_text())
held = Result(results=[], success=document["success"], suite_name=document["suite_name"], statistics=document["statistics"])
found["result"] = sorted(held.to_json_dict())
print(json.dumps(found))
"""


def test_every_shipped_suite(writer, tmp_path):
    from validators import readers
    from validators.run import run

    result = run(readers.open(writer.write(writer.tracks(1))), suites.load("arm@1")).to_gx()
    (tmp_path / "result.json").write_text(json.dumps(result))
    command = [sys.executable, "-c", SCRIPT, str(suites.SHIPPED / "arm@1.json"), str(tmp_path / "result.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name in suites.names():
        file = json.loads((suites.SHIPPED / f"{name}.json").read_text())
        assert [[t, s] for t, s, _ in found[name]] == [[e["type"], e["severity"]] for e in file["expectations"]]
    assert {m for name in suites.names() for _, _, m in found[name]} == {"validators", "great_expectations"}
    assert found["dropped"] == "suite-invalid"
    assert set(found["result"]) == set(result) - {"id"} or set(found["result"]) == set(result)
