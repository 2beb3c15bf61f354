"""What CI relies on: no avoidable skip passes, and a clone is whole."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / ".ci" / "check_skips.py"
PACKAGES = ["bot", "handlers", "locales", "scheduled", "storage"]


@pytest.mark.parametrize(("reason", "code"), [("install chromium", 1), ("platform: no sockets", 0)])
def test_avoidable_skips_fail(tmp_path: Path, reason: str, code: int) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        f'<testsuite><testcase classname="a" name="b"><skipped message="{reason}"/></testcase>'
        "</testsuite>"
    )
    done = subprocess.run([sys.executable, SCRIPT, report], capture_output=True, check=False)
    assert done.returncode == code


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="platform: no git clone"
)
def test_git_ignores_nothing_that_the_packages_need() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [name for name in listed.stdout.splitlines() if "__pycache__" not in name] == []
