# The runs for the map of verdicts, each condition away from the first line of its chapter alone. From the top of the
# repository, with the book's environment awake; about an hour of one core. What has finished does not run again.
#
#   sh book/records/sweeps/runs.sh
set -e
export OMP_NUM_THREADS=1
runs=_build/sweeps/map

davel() { # seeds, epochs, nodes of a layer, learning rate, harder set
  layerlib sweep cooperating_classifiers --out "$runs" -p seeds="$1" -p seeds_again="$1" --over epochs="$2" \
    -p width="$3" -p widths="[20, $3]" -p learning_rate="$4" -p hard="$5" -p depth=6 -p depths='[2, 4, 6]' \
    -p depth_watched=4 -p depth_sigmoid=3 -p after_epochs='[1, 2, 3]' -p after_batches='[0, 10, 40]' -p epochs_settled=10
}
xie() { # seed, steps, learning rate, data sets
  layerlib sweep forward_backward --out "$runs" -p seeds="[$1]" --over iterations="$2" -p learning_rate="$3" \
    -p easy="$4" -p hard="$5" -p looked_at='[10, 20, 50, 100, 200]' -p measured=500 -p shown=100 -p perplexity=10
}
cao() { # seed, epochs, width of ResNet-18 and of VGG-16, their learning rates, most objects in a scene
  layerlib sweep layer_distributions --out "$runs" -p first_seed="$1" --over epochs="$2" -p resnet_width="$3" \
    -p vgg_width="$4" -p resnet_rate="$5" -p vgg_rate="$6" -p objects="$7" -p pictures=1500 -p tested=1000 -p side=32 \
    -p probe_pictures=1000 -p probe_epochs=40 -p watched=200 -p stability_pictures=250 -p stability_epochs=2 \
    -p settling_pictures=200 -p settling_epochs=2
}
hu() { # seed, epochs, width, learning rate, data
  layerlib sweep filter_evolution --out "$runs" -p seed="$1" -p seeds_again="[$((11 + 2 * $1)), $((12 + 2 * $1))]" \
    --over epochs="$2" -p width="$3" -p learning_rate="$4" -p data="$5" -p images=800 -p batch_size=64 \
    -p every=2 -p halved_after='[1]' -p judged=100 -p judged_again=100 -p draws=5 -p draws_again=5
}
lenses() { # seed, steps, channels, learning rate, data
  layerlib sweep four_lenses --out "$runs" -p seeds="[$1]" --over looked_at="$2" -p width="$3" -p learning_rate="$4" \
    -p data="$5" -p depth=6 -p nodes=32 -p token=16 -p blocks=2 -p judged=300 -p drawn_labels=60 -p epochs_drawn=60 \
    -p moved=100
}

clothes=_build/sweeps/clothes.npz # Fashion-MNIST as colour pictures of 32 x 32 pixels
mkdir -p _build/sweeps
[ -f "$clothes" ] || python - "$clothes" <<'END'
import sys
import numpy as np
from layerlib import load
from torch.nn.functional import pad

arrays = {}
for part in ("train", "test"):
    split = getattr(load("fashion-mini"), part)
    arrays |= {f"x_{part}": pad(split.images, (2, 2, 2, 2)).expand(-1, 3, -1, -1), f"y_{part}": split.labels}
np.savez(sys.argv[1], **arrays)
END

davel '[0, 1]' 3 50 0.002 fashion-mini
xie 0 300 0.01 mnist-mini fashion-mini
cao 0 3 0.25 0.125 2.0 1.0 2
hu 0 2 0.0625 0.0002 cifar10-mini
lenses 0 '[0, 16, 64]' 16 0.002 mnist-mini
# other seeds
davel '[2, 3]' 3 50 0.002 fashion-mini
xie 1 300 0.01 mnist-mini fashion-mini
cao 1 3 0.25 0.125 2.0 1.0 2
hu 1 2 0.0625 0.0002 cifar10-mini
lenses 1 '[0, 16, 64]' 16 0.002 mnist-mini
# longer
davel '[0, 1]' 6 50 0.002 fashion-mini
xie 0 1000 0.01 mnist-mini fashion-mini
cao 0 6 0.25 0.125 2.0 1.0 2
hu 0 4 0.0625 0.0002 cifar10-mini
lenses 0 '[0, 16, 64, 128]' 16 0.002 mnist-mini
# other data
davel '[0, 1]' 3 50 0.002 cifar10-mini
xie 0 300 0.01 fashion-mini mnist-mini
cao 0 3 0.25 0.125 2.0 1.0 4
hu 0 2 0.0625 0.0002 "$clothes"
lenses 0 '[0, 16, 64]' 16 0.002 fashion-mini
# slower learning
davel '[0, 1]' 3 50 0.0005 fashion-mini
xie 0 300 0.003 mnist-mini fashion-mini
cao 0 3 0.25 0.125 1.0 0.5 2
hu 0 2 0.0625 0.0001 cifar10-mini
lenses 0 '[0, 16, 64]' 16 0.0005 mnist-mini
# other widths
davel '[0, 1]' 3 100 0.002 fashion-mini
cao 0 3 0.1875 0.09375 2.0 1.0 2
hu 0 2 0.125 0.0002 cifar10-mini
lenses 0 '[0, 16, 64]' 32 0.002 mnist-mini

layerlib collect "$runs" --keep
