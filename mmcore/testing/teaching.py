"""What a task that writes a field promises: the next token from those before it, the prompt given, padding left out."""

# B = samples of a batch, S = positions of the text

from dataclasses import replace

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.task import Outputs, Task, logits_of
from mmcore.testing.module import ModuleContract, generator
from mmcore.testing.perturb import junk, tokens_with_more_padding, with_more_padding


class TeachingContract(ModuleContract):
    """The part of the tasks' contract that concerns writing; passes by where the task writes nothing."""

    def ready(self) -> Task:
        """The task in evaluation mode."""
        raise NotImplementedError

    def streams(self, seed: int = 0) -> Streams:
        """Tokens for each stream."""
        raise NotImplementedError

    def make(self, seed: int = 0) -> Batch:
        """The tests' batch."""
        raise NotImplementedError

    def test_what_is_written_is_a_target_with_logits(self) -> None:
        task = self.ready()
        if task.generates is None:
            assert task.writing is None, "`writing` is set, but `generates` names no field."
            return
        assert task.writing is not None, "`generates` names a field, but `writing` does not say how it is written."
        assert task.generates in task.targets, "the field that is written must be among the targets."
        assert logits_of(task.generates) in task.reads, f"reads must have {logits_of(task.generates)!r}."

    def test_each_position_tells_the_next_token(self) -> None:
        task = self.ready()
        if task.generates is None:
            return
        field, pull = _text(task, self.make()), self._pull(task, self.make())
        wanted = pull[:, :-1].argmin(-1)  # descent makes the likeliest what has the lowest gradient
        real = _mask(field)[:, 1:]
        assert torch.equal(wanted[real], field.values[:, 1:][real]), (
            "the logits at a position are not pulled towards the token that comes next: shift the targets by one."
        )

    def test_nothing_comes_after_the_end(self) -> None:
        task = self.ready()
        if task.generates is None:
            return
        field, pull = _text(task, self.make()), self._pull(task, self.make())
        assert not pull[:, -1].any(), "the last position is pulled on, although no token comes after it."
        padding = ~_mask(field)[:, 1:]
        assert padding.any(), "the batch of this contract needs texts of several lengths."
        assert not pull[:, :-1][padding].any(), "positions are taught to tell padding: leave out what the mask does."

    def test_the_prompt_is_not_scored(self) -> None:
        task, batch = self.ready(), self.make()
        if task.generates is None:
            return
        prompt = torch.arange(_text(task, batch).values.shape[1]) < 2
        given = self._with(task, batch, scored=~prompt.expand(len(batch), -1))
        pull = self._pull(task, given)
        assert not pull[:, 0].any(), "the prompt is taught (Field.scored is False there): it is given, not written."
        outputs: Outputs = task(self.streams())
        mean = {name: loss.item() for name, loss in task.loss(outputs, given).items()}
        field = _text(task, given)
        asked = self._with(task, given, values=torch.where(prompt, junk(field.values, generator(3)), field.values))
        for name, loss in task.loss(outputs, asked).items():
            assert loss.item() == mean[name], f"the words of the prompt change the loss {name!r}."

    def test_the_measure_leaves_prompt_and_padding_out(self) -> None:
        task, batch = self.ready(), self.make()
        if task.generates is None:
            return
        field = _text(task, batch)
        other = torch.where(_mask(field), field.values, junk(field.values, generator(3)))
        nothing = torch.zeros_like(field.values, dtype=torch.bool)
        with torch.no_grad():
            outputs: Outputs = task(self.streams())
            whole = task.measure(outputs, batch)
            padded = task.measure(outputs, self._with(task, batch, values=other))
            prompt = task.measure(outputs, self._with(task, batch, scored=nothing))
        for name in whole:
            assert (whole[name] == padded[name]).all(), (
                f"what stands in padding changes the column {name!r} of measure."
            )
            assert not prompt[name].any(), f"all of the text is prompt, but the column {name!r} of measure is not 0."

    def test_the_truth_is_what_is_written(self) -> None:
        task, batch = self.ready(), self.make()
        if task.generates is None:
            return
        field = _text(task, batch)
        places, ends = torch.arange(field.values.shape[1]), _mask(field).sum(1, keepdim=True)
        last, earlier = places >= ends - 2, places < ends - 3
        assert earlier[:, 1:].any(), "the batch of this contract needs a text of five tokens."
        one = task.truth(self._with(task, batch, scored=last))
        two = task.truth(self._with(task, batch, scored=last | earlier))
        for name, column in one.items():
            assert (column == two[name]).all(), (
                f"the column {name!r} of truth has more of a conversation than its last answer, which alone is written "
                "where it is judged: take Field.written."
            )

    def test_more_padding_changes_neither_loss_nor_measure(self) -> None:
        task, batch, streams = self.ready(), self.make(), self.streams()
        if task.generates is None:
            return
        name = logits_of(task.generates)
        longer = batch.with_fields({task.generates: with_more_padding(_text(task, batch), generator(1))})
        with torch.no_grad():
            one: Outputs = task(streams)
            two: Outputs = task({**streams, name: tokens_with_more_padding(streams[name], generator(1))})
        for loss, value in task.loss(one, batch).items():
            self.assert_close(value, task.loss(two, longer)[loss], f"the loss {loss!r} {_PADDED}")
        for column, values in task.measure(one, batch).items():
            padded = task.measure(two, longer)[column]
            self.assert_close(torch.as_tensor(values), torch.as_tensor(padded), f"the column {column!r} {_PADDED}")

    def test_without_a_text_nothing_is_said_of_it(self) -> None:
        task = self.ready()
        if task.generates is None:
            return
        with torch.no_grad():
            outputs: Outputs = task(self.streams())
            written = _text(task, self.make()).values
            bare = task.predict(outputs)
            told = task.predict({**outputs, "ids": written, "log_probability": -torch.ones(len(written))})
        assert "text" not in bare, "predict tells a text where none was written (outputs without `ids`)."
        assert "text" in told, "predict tells no `text`, although the outputs have `ids`."

    def _pull(self, task: Task, batch: Batch) -> Tensor:
        """[B,S,vocabulary]: the gradient on the logits."""
        name = logits_of(task.generates or "")
        streams = {key: replace(tokens, values=tokens.values.detach()) for key, tokens in self.streams().items()}
        streams[name].values.requires_grad_()
        torch.autograd.backward(list(task.loss(task(streams), batch).values()))
        gradient = streams[name].values.grad
        assert gradient is not None, f"the loss does not look at {name!r}."
        return gradient

    def _with(self, task: Task, batch: Batch, **changed: Tensor) -> Batch:
        """The batch with parts of the text replaced."""
        assert task.generates is not None, "asked of tasks that write alone"
        return batch.with_fields({task.generates: replace(_text(task, batch), **changed)})  # type: ignore[arg-type]


_PADDED = "depends on how far a batch is padded: count real tokens, not positions"


def _text(task: Task, batch: Batch) -> Field:
    """The field that is written."""
    assert task.generates is not None, "asked of tasks that write alone"
    return batch.fields[task.generates]


def _mask(field: Field) -> Tensor:
    """[B,S] bool."""
    return torch.ones_like(field.values, dtype=torch.bool) if field.mask is None else field.mask
