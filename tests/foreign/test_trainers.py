"""A watch in the trainers of other packages."""

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


def test_hugging_face_tells_the_watch_of_optimizer_steps(tmp_path):
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
            str(tmp_path),
            max_steps=5,
            per_device_train_batch_size=4,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            save_strategy="no",
        )
        transformers.Trainer(model, arguments, train_dataset=rows, callbacks=[WatchCallback(watch)]).train()
    assert list(watch.inspections) == [0, 2, 4]
    assert watch.inspections[4].values["distance"].isfinite().sum() > 10 and watch.inspections[4].accuracy >= 0
