#!/usr/bin/env bash
# Ten minutes on a borrowed GPU, used to the second: does all work there, how fast is it, and which records fit in.
#
#     tools/gpu_visit.sh pack FOLDER [PICTURES [PYTHON]]   at home: what has to travel, for a machine without a network
#     tools/gpu_visit.sh go --minutes 10 --out FOLDER      there: see python -m tools.gpu_visit --help
#
# What was packed lies in FOLDER: the repository as of the last commit, 10 MiB; so many CIFAR-10 pictures (20,000 take 26
# MiB, all 50,000 53), or where it is 0 MNIST and Fashion-MNIST, 37 MiB; and the packages of tools/gpu_visit_packages.txt
# as wheels for that Python (3.12; -: none) on Linux, about 12 MiB. A call can carry 64 MiB: 20,000 pictures fit, 50,000
# do not. There, run this file inside of FOLDER. PYTHON names the Python with PyTorch for the GPU.
set -euo pipefail

pack() {
    local top folder=$1 python
    top=$(git rev-parse --show-toplevel)
    python=${PYTHON:-$top/.venv/bin/python}
    mkdir -p "$folder/wheels"
    rm -rf "$folder/repository"
    git clone --quiet --depth 1 --no-checkout "file://$top" "$folder/repository"
    cp "$top/tools/gpu_visit.sh" "$folder/gpu_visit.sh"
    folder=$(cd "$folder" && pwd)
    (cd "$top" && "$python" -m tools.gpu_visit_data "$folder" "${2:-20000}")
    [ "${3:-}" = - ] || "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --python-version "${3:-3.12}" --implementation cp $(printf -- '--platform manylinux_2_%s_x86_64 ' 34 28 27 26 24 17 12 5) \
        --dest "$folder/wheels" --requirement "$top/tools/gpu_visit_packages.txt"
    du -sh "$folder"
}

go() {
    local here python=${PYTHON:-python3}
    here=$(cd "$(dirname "$0")" && pwd)
    if [ -d "$here/repository" ]; then # what was packed
        mkdir -p "$here/site"
        export PYTHONPATH="$here/site${PYTHONPATH:+:$PYTHONPATH}"
        if compgen -G "$here/wheels/*.whl" > /dev/null; then
            "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$here/site" "$here"/wheels/*.whl
        fi
        "$python" -c 'import myst_nb' 2> /dev/null || echo 'def glue(*name, **how): None' > "$here/site/myst_nb.py"
        git -C "$here/repository" checkout --quiet HEAD -- .
        mkdir -p "$here/repository/_build/visit"
        cd "$here/repository"
        "$python" -m tools.gpu_visit_data --unpack "$here" _build/visit
        export LAYERLIB_DATA="$PWD/_build/visit"
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
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
