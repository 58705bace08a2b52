"""A watch in the trainers of other packages."""

import json
import struct
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import layerlib as ll


def data(samples=64):
    random = torch.Generator().manual_seed(0)
    y = torch.arange(samples) % 3
    return torch.randn(samples, 6, generator=random) + torch.eye(3, 6)[y], y


@pytest.mark.filterwarnings("ignore")
def test_lightning_tells_the_watch_of_optimizer_steps_and_keeps_it_in_checkpoints(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch", reason="needs lightning")
    from layerlib.integrations.lightning import WatchCallback

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.second(self.first(x).relu())

        def training_step(self, batch, number):
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def trained(epochs, **options):
        torch.manual_seed(0)
        module = Module()
        watch = ll.Watch(module, data(), every=2)
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            callbacks=[WatchCallback(watch)],
            accumulate_grad_batches=2,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(TensorDataset(*data()), batch_size=8), **options)
        return watch, trainer

    watch, trainer = trained(2)  # 8 batches an epoch, 2 of them a step
    assert list(watch.inspections) == [0, 2, 4, 6, 8]
    assert watch.inspections[8].values["relative_change"].min() > watch.inspections[2].values["relative_change"].min()
    trainer.save_checkpoint(tmp_path / "kept.ckpt")
    again, _ = trained(3, ckpt_path=str(tmp_path / "kept.ckpt"))
    assert list(again.inspections) == [0, 2, 4, 6, 8, 10, 12]
    assert again.inspections[6] == watch.inspections[6]


def fine_tuned(folder, steps, resume=None):
    """A watch in a ``Trainer``, which saves after the third step."""
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    pytest.importorskip("accelerate", reason="needs accelerate")
    from layerlib.integrations.transformers import WatchCallback

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
        num_labels=3,
    )
    model = transformers.BertForSequenceClassification(config)
    random = torch.Generator().manual_seed(0)
    rows = [
        {
            "input_ids": torch.randint(30, (8,), generator=random),
            "attention_mask": torch.ones(8, dtype=torch.int64),
            "labels": i % 3,
        }
        for i in range(32)
    ]
    watch = ll.Watch(model, DataLoader(rows, batch_size=16), every=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = transformers.TrainingArguments(
            str(folder),
            max_steps=steps,
            per_device_train_batch_size=4,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            save_strategy="steps",
            save_steps=3,
        )
        callbacks = [WatchCallback(watch)]
        trainer = transformers.Trainer(model, arguments, train_dataset=rows, callbacks=callbacks)
        trainer.train(resume_from_checkpoint=resume)
    return watch


def test_hugging_face_tells_the_watch_of_optimizer_steps_and_keeps_it_in_checkpoints(tmp_path):
    watch = fine_tuned(tmp_path, 6)
    assert list(watch.inspections) == [0, 2, 4, 6]
    assert watch.inspections[4].values["distance"].isfinite().sum() > 10 and watch.inspections[4].accuracy >= 0
    resumed = fine_tuned(tmp_path, 6, resume=str(tmp_path / "checkpoint-3"))
    assert list(resumed.inspections) == [0, 2, 4, 6]
    assert resumed.inspections[2] == watch.inspections[2]
    for quantity in ("relative_change", "cka"):  # which go back to the weights before the first step
        now, then = (each.inspections[6].values[quantity] for each in (resumed, watch))
        assert torch.allclose(now, then, atol=1e-5, equal_nan=True) and now.isfinite().sum() > 10


@pytest.fixture
def watched():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    watch = ll.Watch(model, data(), every=1)
    with torch.no_grad():
        model[0].weight.mul_(2)
    watch.step()
    return watch


def numbers(watch, step):
    """What a log is told, from the table."""
    frame = watch.to_frame().query("step == @step").dropna(subset="value")
    told = {f"{row.layer}/{row.quantity}": row.value for row in frame.itertuples()}
    return {"accuracy": float(watch.inspections[step].accuracy)} | told


def test_tensorboard_has_every_number_at_its_step(watched, tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        watched.log_to(lambda told, step: [writer.add_scalar(*each, step) for each in told.items()])
    events = EventAccumulator(str(tmp_path)).Reload()
    for step in (0, 1):
        found = {
            name: event.value
            for name in events.Tags()["scalars"]
            for event in events.Scalars(name)
            if event.step == step
        }
        assert found == pytest.approx(numbers(watched, step), rel=1e-6)


def history(path):
    """What W&B has written to its log: step -> numbers. A log in blocks of 32 KB, as LevelDB's."""
    from wandb.proto.wandb_internal_pb2 import Record

    log, place, found, begun = path.read_bytes(), 7, {}, b""
    while place + 7 < len(log):
        if 2**15 - place % 2**15 < 7:  # too little is left of the block for a head
            place += 2**15 - place % 2**15
            continue
        length, kind = struct.unpack("<4xHB", log[place : place + 7])
        begun += log[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record, begun = Record.FromString(begun), b""
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if items:
                found[items["_step"]] = items
    return found


def test_wandb_has_every_number_at_its_step(watched, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", dir=str(tmp_path), project="own")
    watched.log_to(run.log)
    run.finish()
    wandb.teardown()  # what writes the log has a process of its own
    [log] = tmp_path.rglob("run-*.wandb")
    found = history(log)
    for step in (0, 1):
        expected = numbers(watched, step)
        assert {name: found[step][name] for name in expected} == pytest.approx(expected)
