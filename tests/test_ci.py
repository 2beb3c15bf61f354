"""The CI script refuses a skip that installing something would have avoided."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "check_skips.py"


@pytest.mark.parametrize(("reason", "code"), [("install chromium", 1), ("platform: no sockets", 0)])
def test_avoidable_skips_fail(tmp_path: Path, reason: str, code: int) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        f'<testsuite><testcase classname="a" name="b"><skipped message="{reason}"/></testcase>'
        "</testsuite>"
    )
    done = subprocess.run([sys.executable, SCRIPT, report], capture_output=True, check=False)
    assert done.returncode == code
