#!/bin/bash
# Prints the newest version tag of this checkout; a pre-release (v1.2.0-rc1) counts as older than its release.
set -euo pipefail

tags="$(git -c versionsort.suffix=- tag --sort=-v:refname)"
echo "Latest tag: ${tags%%$'\n'*}"
