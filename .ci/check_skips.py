"""Fail on a skipped test that a fresh machine could have avoided by installing something.

A skip is allowed only if its reason begins with `platform:`.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def avoidable(report: Path) -> list[str]:
    """The skipped tests of a JUnit report, with their reasons, that are not the platform's."""
    found = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own report)
        for skipped in case.iter("skipped"):
            reason = skipped.get("message", "")
            if not reason.startswith("platform:"):
                found.append(f"{case.get('classname')}::{case.get('name')}: {reason}")
    return found


def main() -> int:
    skips = [skip for name in sys.argv[1:] for skip in avoidable(Path(name))]
    for skip in skips:
        print(f"avoidable skip: {skip}", file=sys.stderr)
    return 1 if skips else 0


if __name__ == "__main__":
    sys.exit(main())
