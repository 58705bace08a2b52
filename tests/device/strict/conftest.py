"""These tests are for a process in which the pretend device passes for CUDA; see ``test_pretend_device.py`` above."""

import sys

collect_ignore_glob = [] if "pretend_device.plugin" in sys.modules else ["*.py"]
