#!/usr/bin/env bash
# Ten minutes on a borrowed GPU, used to the second: does all work there, how fast is it, and which records fit in.
#
#     tools/gpu_visit.sh pack FOLDER [PICTURES]            at home: what has to travel, for a machine without a network
#     tools/gpu_visit.sh go --minutes 10 --out FOLDER      there: see python -m tools.gpu_visit --help
#
# What was packed lies in FOLDER: the repository as of the last commit, the CIFAR-10 pictures, and in FOLDER/wheels
# whatever packages you put there that the other machine lacks (pip download --no-deps -d FOLDER/wheels ...).
# There, run this file inside of FOLDER. PYTHON names the Python with PyTorch for the GPU.
set -euo pipefail

pack() {
    local top folder=$1
    top=$(git rev-parse --show-toplevel)
    mkdir -p "$folder/wheels"
    rm -rf "$folder/repository"
    git clone --quiet --depth 1 --no-checkout "file://$top" "$folder/repository"
    cp "$top/tools/gpu_visit.sh" "$folder/gpu_visit.sh"
    (cd "$top" && .venv/bin/python -m tools.gpu_visit_data "$folder/cifar10.npz" "${2:-20000}")
    du -sh "$folder"
}

go() {
    local here python=${PYTHON:-python3}
    here=$(cd "$(dirname "$0")" && pwd)
    if [ -d "$here/repository" ]; then # what was packed
        if compgen -G "$here/wheels/*.whl" > /dev/null; then
            "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$here/site" "$here"/wheels/*.whl
            export PYTHONPATH="$here/site${PYTHONPATH:+:$PYTHONPATH}"
        fi
        git -C "$here/repository" checkout --quiet HEAD -- .
        mkdir -p "$here/repository/_build/visit"
        cp -n "$here/cifar10.npz" "$here/repository/_build/visit/"
        cd "$here/repository"
    else
        cd "$here/.."
    fi
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} TQDM_DISABLE=1 PYTHONUNBUFFERED=1
    export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
    exec "$python" -m tools.gpu_visit "$@"
}

case ${1:-} in
    pack) shift && pack "$@" ;;
    go) shift && go "$@" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
