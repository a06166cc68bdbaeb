"""Evaluates diffusers' UNet by OpenVINO at the word of another program, as paced.py says.

    python openvino_peer.py --hint LATENCY --precision f32 --config configs/cifar10.yaml \
        --images 32x32x3 --batch 16 --workers 2 --steps 2

The network is converted with its extents fixed, as OpenVINO asks for to be fastest. LATENCY works on
one batch with all cores, THROUGHPUT on several batches at a time, as many as OpenVINO finds best.
"""

import argparse
import pathlib

import openvino
import torch

from pacing import serve
from unet import Images, read_configuration, unet


class Network(torch.nn.Module):
    """A network that takes and gives tensors only."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.model(x, t, return_dict=False)[0]


def compiled(model: torch.nn.Module, x: torch.Tensor, t: torch.Tensor, given: argparse.Namespace):
    """The network as OpenVINO computes it on this machine's CPU."""
    with torch.no_grad():
        converted = openvino.convert_model(
            Network(model.eval()), example_input=(x, t), input=[tuple(x.shape), tuple(t.shape)]
        )
    settings = {
        "PERFORMANCE_HINT": given.hint,
        "INFERENCE_NUM_THREADS": str(given.workers),
        "INFERENCE_PRECISION_HINT": given.precision,
    }
    return openvino.Core().compile_model(converted, "CPU", settings)


class Evaluation:
    """Rounds of evaluations of one batch or, for throughput, of as many as are best at a time."""

    def __init__(self, network, x: torch.Tensor, t: torch.Tensor):
        self._inputs = {0: x.numpy(), 1: t.numpy()}
        wanted = network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._queue = openvino.AsyncInferQueue(network, wanted)
        self.batches = wanted

    def __call__(self):
        """As many batches as are worked on at a time."""
        for _ in range(self.batches):
            self._queue.start_async(self._inputs)
        self._queue.wait_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hint", choices=("LATENCY", "THROUGHPUT"), required=True)
    parser.add_argument("--precision", choices=("f32", "bf16"), required=True)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a YAML file of ours")
    parser.add_argument("--images", type=Images.parsed, required=True, help="as in 32x32x3")
    parser.add_argument("--batch", type=int, required=True, help="images of an evaluation")
    parser.add_argument("--workers", type=int, required=True, help="threads")
    parser.add_argument("--steps", type=int, default=1, help="evaluations of a round")
    parser.add_argument("--parts", choices=("evaluation",), default="evaluation")
    given = parser.parse_args()

    images = given.images
    model = unet(read_configuration(given.config), images)
    x = torch.randn(given.batch, images.channels, images.rows, images.columns)
    t = torch.full((given.batch,), 500)
    network = compiled(model, x, t, given)
    precision = network.get_property("INFERENCE_PRECISION_HINT").to_string()
    if precision != given.precision:
        raise ValueError(f"OpenVINO computes in {precision} here, not in {given.precision}")
    work = Evaluation(network, x, t)
    serve(
        work, given.parts, given.batch * work.batches, given.steps, warm_up=2, program="openvino",
        parameters=sum(p.numel() for p in model.parameters()), workers=given.workers,
        versions={"openvino": openvino.__version__},
    )  # fmt: skip


if __name__ == "__main__":
    main()
