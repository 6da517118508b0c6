"""Prints "N passed, N failed" from the XML results of GoogleTest or pytest."""

import sys
import xml.etree.ElementTree as ElementTree

count = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0, "disabled": 0}
for suite in ElementTree.parse(sys.argv[1]).getroot().iter("testsuite"):
    for name in count:
        count[name] += int(suite.get(name, 0))

failed = count["failures"] + count["errors"]
left_out = count["skipped"] + count["disabled"]
if left_out:
    print(f"note: {left_out} skipped")
print(f"{count['tests'] - failed - left_out} passed, {failed} failed")
