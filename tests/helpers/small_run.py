"""Store what the instruments say now: ``python tests/helpers/small_run.py > layerbook/small_run.json``."""

import json

from layerbook.small_run import INSTRUMENTS, Trained, measured

if __name__ == "__main__":
    run = Trained.on("cpu")
    print(json.dumps({name: measured(name, run) for name in INSTRUMENTS}, indent=1))
