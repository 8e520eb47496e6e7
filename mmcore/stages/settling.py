"""What tasks fix once the weights are known, by the validation rows: thresholds."""

from collections.abc import Mapping

from mmcore.evaluation.predict import Judged, predict
from mmcore.model.multimodal import MultimodalModel
from mmcore.runtime.fabric import Fabric
from mmcore.stages.inputs import Inputs


def settle(model: MultimodalModel, judged: Mapping[str, Judged]) -> dict[str, str]:
    """Let the tasks that want to settle something do so by these rows; what each found, for people."""
    found = dict[str, str]()
    for name, task in model.each_task().items():
        known = judged[name].known()
        if task.settles and len(known.row) and (said := task.settle(known.predictions, known.truth)):
            found[name] = said
    return found


def settle_at_last(model: MultimodalModel, inputs: Inputs, *, batch_size: int, fabric: Fabric) -> None:
    """Once more for the weights that are kept, which may be a mean; without validation rows tasks stay as they are."""
    if not any(task.settles for task in model.each_task().values()) or not len(inputs.dataset.rows("validation")):
        return
    batches = inputs.batches("validation", batch_size=batch_size)
    judged = predict(model.to(fabric.device), batches, modalities=inputs.raw, device=fabric.device)
    for name, said in settle(model, judged).items():
        if fabric.is_global_zero:
            print(f"{name}: {said}, as the validation rows suggest.", flush=True)
