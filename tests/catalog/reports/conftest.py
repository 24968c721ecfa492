"""One catalog with a released model whose records are full of text that would like to be markup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog.domain.report import REPORT_JSON, Bundle, Report
from catalog.services.plan import enrol_line
from catalog.services.report import report
from tests.attack.attacker import CLASS, Attack, statement
from tests.support.house import House
from tests.support.recordings import recording

HOSTILE = "<script>alert('x')</script>\"&'</td><img src=http://evil/x onerror=y>"
WINS = 397


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """A released model, fitted on a recording with a hostile licence, with 397 of 400 trials won."""
    folder = tmp_path_factory.mktemp("reports")
    house = House.begin(folder)
    with house.open() as desk:
        found = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "arm", licence=HOSTILE, sites=[HOSTILE], clock=HOSTILE))
        enrol_line(desk.context, "approver-1", "reach", CLASS)
        found.model("reach", folder / "reach", found.run("run", "arm"), 1)
        planned = found.plan("reach")
        found.bring(statement(found, planned, wins=WINS))
        assert found.gate("reach").verdict == "eligible"
        desk.release("reach")
        yield found


@pytest.fixture(scope="module")
def bundle(attack: Attack) -> Bundle:
    """The report's bundle."""
    return report(attack.desk.context, model="reach", device_class=CLASS)


@pytest.fixture(scope="module")
def said(bundle: Bundle) -> Report:
    """The report itself."""
    return Report.parse(bundle.files[REPORT_JSON])
