"""What a task promises about samples and each other's losses."""

# B = samples of a batch

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.task import Outputs, Task
from mmcore.testing.module import ModuleContract, generator


class CouplingContract(ModuleContract):
    """The part of the tasks' contract that says whether samples pull on each other."""

    def ready(self) -> Task:
        """The task in evaluation mode."""
        raise NotImplementedError

    def streams(self, seed: int = 0) -> Streams:
        """Tokens for each stream."""
        raise NotImplementedError

    def make(self, seed: int = 0) -> Batch:
        """The tests' batch."""
        raise NotImplementedError

    def test_only_a_coupled_loss_ties_samples_together(self) -> None:
        task = self.ready()
        if task.coupled:
            return
        one, other = self._pull_on_the_first(task, self.make())
        for name in sorted(one):
            self.assert_close(
                one[name], other[name], f"what other samples say changes the pull on {name!r} of a sample: say coupled"
            )

    def test_the_loss_of_a_batch_follows_from_its_parts_by_what_they_count(self) -> None:
        task = self.ready()
        if task.coupled:
            return
        outputs, batch = task(self.streams()), self.make()
        batch = batch.with_fields({name: batch.fields[name].hide(torch.tensor([1])) for name in task.targets})
        whole, sums = task.loss(outputs, batch), dict[str, Tensor]()
        for rows in (torch.arange(2), torch.arange(2, self.samples)):
            part = batch.pick(rows)
            for name, loss in task.loss({key: output[rows] for key, output in outputs.items()}, part).items():
                sums[name] = sums.get(name, torch.zeros(())) + loss * task.counts(part) / task.counts(batch)
        for name in sorted(whole):
            self.assert_close(
                whole[name], sums[name], f"the loss {name!r} is not the mean over what `counts` says: with several "
                "devices, or accumulated batches, it would be another one",
            )  # fmt: skip

    def test_a_coupled_loss_looks_at_outputs_and_batch_alone(self) -> None:
        task = self.ready()
        if not task.coupled:
            return
        outputs = {name: output.detach() for name, output in task(self.streams()).items()}
        wanting = [name for name, loss in task.loss(outputs, self.make()).items() if loss.requires_grad]
        assert not wanting, (
            f"the losses {wanting} look at parameters of the task: where gradients are cached, those would never get "
            "one. Give them out as outputs, a copy for each row."
        )

    def test_a_coupled_loss_is_the_same_from_parts(self) -> None:
        task, streams = self.ready(), self.streams()
        if not task.coupled:
            return
        whole, parts = task(streams), [
            task({name: tokens.pick(rows) for name, tokens in streams.items()})
            for rows in (torch.arange(2), torch.arange(2, self.samples))
        ]  # fmt: skip
        joined = {name: torch.cat([part[name] for part in parts]) for name in whole}
        one, other = task.loss(whole, self.make()), task.loss(joined, self.make())
        for name in sorted(one):
            self.assert_close(one[name], other[name], f"the loss {name!r} of outputs made in two parts is another one")

    def test_samples_of_one_group_are_no_negatives_of_each_other(self) -> None:
        task, batch = self.ready(), self.make()
        if not task.coupled:
            return
        one, other = self._pull_on_the_first(task, replace(batch, group=torch.zeros_like(batch.group)))
        for name in sorted(one):
            self.assert_close(
                one[name],
                other[name],
                f"all samples are of one group, and still another one changes the pull on {name!r}: it is taken for a "
                "negative. Look at batch.group",
            )

    def _pull_on_the_first(self, task: Task, batch: Batch) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """The gradient on each output of the first sample, before and after all others say something else."""
        outputs: Outputs = task(self.streams())
        order = torch.cat(
            [torch.zeros(1, dtype=torch.long), 1 + torch.randperm(self.samples - 1, generator=generator(4))]
        )
        turned = {name: output[order] for name, output in task(self.streams(seed=1)).items()}
        for name, output in turned.items():
            output[0] = outputs[name][0]
        own = [name for name in outputs if not (_of_everyone(outputs[name]) and _of_everyone(turned[name]))]
        return _pull(task, outputs, batch, own=own), _pull(task, turned, batch, own=own)


def _of_everyone(output: Tensor) -> bool:
    """Whether it is the same in every row, as a learned scale is."""
    return bool((output == output[:1]).all())


def _pull(task: Task, outputs: Outputs, batch: Batch, *, own: Sequence[str]) -> dict[str, Tensor]:
    leaves = {name: output.detach().clone().requires_grad_() for name, output in outputs.items()}
    torch.autograd.backward(list(task.loss(leaves, batch).values()))
    return {name: grad[0] for name in own if (grad := leaves[name].grad) is not None}
