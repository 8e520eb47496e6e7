"""What a task promises."""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from mmcore.errors import BuildError
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Outputs, Task, logits_of
from mmcore.interfaces.tokens import Tokens
from mmcore.registry.settings import Part
from mmcore.testing.coupling import CouplingContract
from mmcore.testing.flow import CUT, cut_off
from mmcore.testing.gpu import module_there, there
from mmcore.testing.module import generator, moved_buffers
from mmcore.testing.perturb import JUNK, junk
from mmcore.testing.reach import OPEN, shake
from mmcore.testing.scoring import ScoringContract
from mmcore.testing.teaching import TeachingContract


class TaskContract(ScoringContract, TeachingContract, CouplingContract):
    """Inherit, name the task, give the fields' fitted modalities and a batch that has every target::

    class TestClassification(TaskContract):
        name = "classification"
        settings = {"target": "answer"}

        def fields(self) -> Mapping[str, Modality]: ...
        def batch(self, samples: int, generator: torch.Generator) -> Batch: ...

    A task that writes a field needs its logits among `writes`: `{"text/logits": vocabulary}`, and a batch whose texts
    have several lengths.
    """

    kind = "task"
    writes: ClassVar[Mapping[str, int]] = {"image": 5, "joint": 6, "question": 7}
    """The streams there are, with their widths."""

    def fields(self) -> Mapping[str, Modality]:
        """Fitted modalities of every field, targets included."""
        raise NotImplementedError

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        """Prepared fields, every target present."""
        raise NotImplementedError

    def build(self, *, seed: int = 0, turned: bool = False) -> Task:
        """The task."""
        fields, names = self.fields(), sorted(self.writes, reverse=turned)
        ordered = {name: fields[name] for name in sorted(fields, reverse=turned)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            writes = {name: self.writes[name] for name in names}
            task: Task = self.plugins().task.build(self.part(), writes, ordered, where="tasks.answer")
        return task

    def exercise(self, module: nn.Module) -> Sequence[Tensor]:
        """Outputs and losses."""
        assert isinstance(module, Task)
        outputs = module(self.wanting())
        losses = module.loss(outputs, self.make())
        return [*(outputs[name] for name in sorted(outputs)), *(losses[name] for name in sorted(losses))]

    def on_a_gpu(self, module: nn.Module) -> object:
        """Outputs and losses."""
        assert isinstance(module, Task)
        task = module_there(module)
        return task.loss(task(there(self.streams())), there(self.make()))

    def make(self, seed: int = 0) -> Batch:
        """The tests' batch."""
        return self.batch(self.samples, generator(seed))

    def streams(self, seed: int = 0) -> Streams:
        """Tokens for each stream: three a sample, every other sample lacks one; logits are as long as their text."""
        draw = generator(seed)
        found = Streams()
        for name, width in sorted(self.writes.items()):
            mask = self._layout(name)
            values = torch.randn(*mask.shape, width, generator=draw)
            found[name] = Tokens.of(values, mask).zeroed()
        return found

    def wanting(self) -> Streams:
        """The tests' streams, which want gradients: a task need not have parameters."""
        streams = self.streams()
        for tokens in streams.values():
            tokens.values.requires_grad_(torch.is_grad_enabled())
        return streams

    def nothing(self) -> Streams:
        """Streams that every sample lacks, which want gradients."""
        return Streams(
            (name, Tokens.of(torch.zeros_like(tokens.values, requires_grad=True), torch.zeros_like(tokens.mask)))
            for name, tokens in self.streams().items()
        )

    def _layout(self, stream: str) -> Tensor:
        """[B,N] bool: what is real of a stream."""
        field = next((field for name, field in self.make().fields.items() if stream == logits_of(name)), None)
        if field is not None:
            return torch.ones(field.values.shape, dtype=torch.bool) if field.mask is None else field.mask
        mask = torch.ones(self.samples, 3, dtype=torch.bool)
        mask[::2, 2] = False
        return mask

    def ready(self) -> Task:
        """The task in evaluation mode, its gates open."""
        return shake(self.build().eval(), size=OPEN)

    def hidden(self, task: Task, rows: Tensor) -> Batch:
        """The batch without targets in `rows`."""
        batch = self.make()
        return batch.with_fields({name: batch.fields[name].hide(rows) for name in task.targets})

    def assert_outputs(self, one: Outputs, other: Outputs, why: str) -> None:
        """Fail with `why` where an output differs."""
        for name in sorted(one):
            self.assert_close(one[name], other[name], f"output {name!r}: {why}")

    def test_it_reads_streams_and_targets_fields_that_exist(self) -> None:
        task = self.ready()
        assert set(task.reads) <= set(self.writes), f"reads names {task.reads}; the streams are {sorted(self.writes)}."
        assert task.targets, "targets is empty: rows without a target could not be left out of metrics."
        assert set(task.targets) <= set(self.fields()), f"targets names {task.targets}, which are no fields."

    def test_a_target_that_is_no_field_is_refused(self) -> None:
        if "target" in self.settings:
            part = Part(self.name, {**self.settings, "target": "no_such_field"})
            with pytest.raises(BuildError, match="no_such_field"):
                self.plugins().task.build(part, self.writes, self.fields(), where="tasks.answer")

    def test_outputs_have_a_row_for_each_sample(self) -> None:
        for name, output in self.ready()(self.streams()).items():
            assert len(output) == self.samples, f"output {name!r} has {len(output)} rows for {self.samples} samples."

    @pytest.mark.parametrize("training", [False, True])
    def test_neighbours_in_the_batch_change_nothing(self, training: bool) -> None:
        task, streams = shake(self.build().train(training), size=OPEN), self.streams()
        other = {name: tokens.with_values(tokens.values.clone()) for name, tokens in self.streams(seed=1).items()}
        for name, tokens in other.items():
            tokens.values[2] = streams[name].values[2]
        found = list[Outputs]()
        for given in (streams, other):
            torch.manual_seed(0)  # the same dropout twice
            found.append({name: output[2] for name, output in task(given).items()})
        self.assert_outputs(found[0], found[1], "row b must depend on row b of the streams only")

    def test_permuting_samples_permutes_the_outputs(self) -> None:
        order, task = torch.randperm(self.samples, generator=generator(2)), self.ready()
        one = {name: output[order] for name, output in task(self.streams()).items()}
        two = task({name: tokens.pick(order) for name, tokens in self.streams().items()})
        self.assert_outputs(one, two, "the place of a sample in the batch changes its result")

    def test_junk_in_masked_places_changes_nothing(self) -> None:
        task, streams = self.ready(), self.streams()
        noisy = {
            name: tokens.with_values(torch.where(tokens.mask.unsqueeze(-1), tokens.values, JUNK))
            for name, tokens in streams.items()
        }
        one, two = task(streams), task(noisy)
        if task.generates is None:
            self.assert_outputs(one, two, "values where the mask is False change it: pool with the mask")
        for name, loss in task.loss(one, self.make()).items():  # logits of padding are nobody's business but the loss's
            self.assert_close(loss, task.loss(two, self.make())[name], f"junk behind a mask changes the loss {name!r}")

    def test_finite_with_everything_absent(self) -> None:
        task = self.build().train()
        outputs = task(self.nothing())
        losses = task.loss(outputs, self.make())
        assert all(value.isfinite().all() for value in [*outputs.values(), *losses.values()]), (
            "with every stream absent an output or a loss is not finite: a mean or a softmax over nothing?"
        )

    def test_gradients_are_finite_with_everything_absent(self) -> None:
        task, streams = self.build().train(), self.nothing()
        torch.autograd.backward(list(task.loss(task(streams), self.make()).values()))
        pulled = {**dict(task.named_parameters()), **{name: tokens.values for name, tokens in streams.items()}}
        broken = [name for name, pull in pulled.items() if pull.grad is not None and not pull.grad.isfinite().all()]
        assert not broken, (
            f"with every stream absent, {broken[:3]} get a gradient that is not finite. A softmax or a root of nothing "
            "leaves NaN in the gradient even where the value is put away afterwards: keep it from coming up."
        )

    def test_absent_streams_move_no_buffer(self) -> None:
        task, streams = self.build().train(), self.nothing()
        moved = moved_buffers(task, lambda: task(streams))
        assert not moved, f"with every stream absent, {moved[:3]} move while training: statistics are kept of nothing."

    def test_losses_are_scalars(self) -> None:
        task = self.build()
        losses = task.loss(task(self.streams()), self.make())
        assert losses, "loss gives no loss."
        for name, loss in losses.items():
            assert loss.ndim == 0, f"the loss {name!r} must be a scalar but has shape {tuple(loss.shape)}."
            assert loss.isfinite(), f"the loss {name!r} is {loss.item()}."

    def test_every_stream_learns_of_what_it_changes(self) -> None:
        task, streams, batch = self.ready(), self.streams(), self.make()

        def compute(values: Mapping[str, Tensor]) -> Outputs:
            moved = {name: tokens.with_values(values.get(name, tokens.values)) for name, tokens in streams.items()}
            return task.loss(task(moved), batch)

        lost = cut_off(compute, {name: streams[name].values for name in task.reads})
        assert not lost, f"{lost} change a loss and get no gradient from it: what gives them never learns. {CUT}"

    def test_rows_without_a_target_are_left_out_of_the_loss(self) -> None:
        task, rows = self.ready(), torch.tensor([1, 4])
        left = torch.tensor([n for n in range(self.samples) if n not in (1, 4)])
        outputs = task(self.streams())
        whole = task.loss(outputs, self.hidden(task, rows))
        picked = task.loss({name: output[left] for name, output in outputs.items()}, self.make().pick(left))
        for name in sorted(whole):
            self.assert_close(
                whole[name], picked[name], f"rows without a target count in the loss {name!r}, or in its n"
            )

    def test_rows_without_a_target_have_no_gradient(self) -> None:
        task, rows = self.ready(), torch.tensor([1, 4])
        outputs = {name: output.detach().requires_grad_() for name, output in task(self.streams()).items()}
        torch.autograd.backward(list(task.loss(outputs, self.hidden(task, rows)).values()))
        pulled = [n for n, out in outputs.items() if out.grad is not None and out.grad[rows].abs().sum() > 0]
        assert not pulled, f"rows without a target pull on the outputs {pulled}."

    def test_filler_of_missing_targets_changes_nothing(self) -> None:
        task, rows = self.ready(), torch.tensor([1, 4])
        batch, outputs = self.hidden(task, rows), task(self.streams())
        filled = batch.with_fields({name: _filled(batch.fields[name], rows) for name in task.targets})
        one, two = task.loss(outputs, batch), task.loss(outputs, filled)
        for name in sorted(one):
            self.assert_close(one[name], two[name], f"the filler of missing targets changes the loss {name!r}")

    def test_the_loss_is_zero_where_no_row_has_a_target(self) -> None:
        task = self.build()
        losses = task.loss(task(self.wanting()), self.hidden(task, torch.arange(self.samples)))
        for name, loss in losses.items():
            assert loss.item() == 0, f"without any target the loss {name!r} is {loss.item()}, not 0 (nan: 0 / 0)."
        torch.autograd.backward(list(losses.values()))
        broken = [n for n, p in task.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        assert not broken, f"without any target, {broken[:3]} get a gradient that is not finite."

    def test_one_batch_can_be_learned(self) -> None:
        task, streams = self.build().train(), self.streams()
        inputs = [tokens.values.requires_grad_() for tokens in streams.values()]
        optimizer = torch.optim.Adam([*task.parameters(), *inputs], lr=0.05)
        totals = list[float]()
        for _ in range(60):
            loss = torch.stack(list(task.loss(task(streams), self.make()).values())).sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            totals.append(loss.item())
        assert totals[-1] < 0.9 * totals[0], (
            f"60 steps on one batch bring the loss from {totals[0]} to {totals[-1]} only."
        )


def _filled(field: Field, rows: Tensor) -> Field:
    values = field.values.clone()
    values[rows] = junk(field.values, generator(3))[rows]
    return field.with_values(values)
