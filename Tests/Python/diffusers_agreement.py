"""Checks what docs/diffusers.md says with diffusers itself: exports, imports, refusals, damaged files.

    pip install -r requirements-diffusers.txt
    python diffusers_agreement.py FOLDER_OF_THE_TWO_PROGRAMS [--damaged N] [unittest's arguments]

It trains small networks for a few seconds, loads their exports with diffusers, and imports what diffusers
saves. N files of each kind are damaged, 25 if nothing is said. The last line reads "N passed, N failed".
"""

import contextlib
import filecmp
import io
import json
import logging
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings

import diffusers
import h5py
import numpy as np
import safetensors.torch
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel

PREDICTION = 1e-4
"""How far a network's answer may be from ours."""
SAMPLE = 1e-3
"""How far an image may be from ours after ten steps."""

programs = pathlib.Path()
damaged = 25

SMALL = ["channels=16", "groups=4", "batch=32", "sample_every=0", "warmup_steps=2"]
RUNS = {
    "plain": ["diffusion_steps=40"],
    "linear": [
        "schedule=linear", "diffusion_steps=1000", "variance=fixed_large", "multipliers=[1,2,2]",
        "attention=[4]", "blocks=2", "groups=8",
    ],
    "velocity": ["prediction=v", "diffusion_steps=40", "zero_terminal_snr=true"],
    "clean": [
        "prediction=clean", "schedule=sigmoid", "diffusion_steps=30", "multipliers=[1,1]",
        "attention=[4]", "heads=2", "channels=16",
    ],
    "learned": [
        "variance=learned", "objective=hybrid", "diffusion_steps=50", "attention=[]",
        "schedule=warmup50",
    ],
    "classes": ["condition=class", "diffusion_steps=40", "multipliers=[1,2]", "attention=[8,4]"],
}  # fmt: skip
"""Small runs of the embedded digits: each prediction, variance and kind of schedule."""


def call(program: str, *arguments) -> subprocess.CompletedProcess:
    """One of our programs."""
    command = [str(programs / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def run(program: str, *arguments) -> str:
    """One of our programs, which must succeed; what it printed."""
    done = call(program, *arguments)
    if done.returncode != 0:
        raise AssertionError(f"{done.args} ended with {done.returncode}: {done.stderr}")
    return done.stdout + done.stderr


def settings(words: list[str]) -> list[str]:
    """The small network's settings, and others in their place."""
    given = {word.split("=")[0] for word in words}
    return [word for word in SMALL if word.split("=")[0] not in given] + words


@contextlib.contextmanager
def no_warnings():
    """Fails where Python or a logger of diffusers warns."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("diffusers")
    diffusers.utils.logging.set_verbosity_warning()
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        logger.removeHandler(handler)
    if log.getvalue():
        raise AssertionError(f"diffusers warns: {log.getvalue()}")


def load(folder) -> DDPMPipeline:
    """A pipeline, without a warning."""
    with no_warnings():
        pipeline = DDPMPipeline.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def noisy(shape: tuple[int, int, int], steps: int, labels: int | None, path: str) -> dict:
    """A file of noisy images for `predict`, and what is in it: (n, c, h, w) for torch."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((16, *shape)).astype(np.float32)
    t = np.concatenate([[0, steps - 1], rng.integers(0, steps, 14)])
    known = {"x": torch.tensor(x).permute(0, 3, 1, 2), "t": torch.tensor(t)}
    with h5py.File(path, "w") as file:
        file["x_t"], file["t"] = x, t
        if labels is not None:
            # The last row of the table stands for no class, -1 for us.
            known["labels"] = torch.tensor(rng.integers(0, labels + 1, 16))
            ours = known["labels"].numpy().copy()
            ours[ours == labels] = -1
            file["labels"] = ours
    return known


def prediction(checkpoint, folder: str, shape, steps, labels=None) -> tuple[dict, torch.Tensor]:
    """Noisy images, and what our network says of them."""
    known = noisy(shape, steps, labels, f"{folder}/x.h5")
    run(
        "ddpm-dist", "predict", "--ckpt", checkpoint, "--input", f"{folder}/x.h5", "--output",
        f"{folder}/y.h5",
    )  # fmt: skip
    with h5py.File(f"{folder}/y.h5") as file:
        return known, torch.tensor(file["prediction"][...]).permute(0, 3, 1, 2)


@torch.no_grad()
def answer(unet: UNet2DModel, known: dict) -> torch.Tensor:
    """What diffusers' network says of the same."""
    unet.eval()
    return unet(known["x"], known["t"], class_labels=known.get("labels")).sample


def files(folder) -> set[str]:
    """The files below a folder."""
    root = pathlib.Path(folder)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


class Agreement(unittest.TestCase):
    """Temporary folders, and a comparison."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ddpm-diffusers-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def assert_near(self, ours: torch.Tensor, theirs: torch.Tensor, limit: float, what: str):
        # Both must be worth comparing.
        self.assertGreater(theirs.abs().mean().item(), 0.05, what)
        worst = (ours - theirs).abs().max().item()
        print(f"{what}: {worst:.1e}", file=sys.stderr)
        self.assertLessEqual(worst, limit, what)


class Export(Agreement):
    """`ddpm-dist export diffusers`."""

    def test_the_network_is_ours(self):
        for name in RUNS:
            with self.subTest(name):
                pipeline = load(Runs.folder / f"{name}.out")
                steps = pipeline.scheduler.config.num_train_timesteps
                labels = 10 if name == "classes" else None
                known, ours = prediction(
                    Runs.folder / name, self.folder, (8, 8, 1), steps, labels
                )
                self.assert_near(ours, answer(pipeline.unet, known), PREDICTION, f"predict {name}")

    def test_ten_steps_of_ddim_are_ours(self):
        for name in ("plain", "linear", "velocity", "clean", "classes"):
            with self.subTest(name):
                pipeline = load(Runs.folder / f"{name}.out")
                # Of continuous images, samples are not rounded to grey levels.
                checkpoint = self.path(f"{name}.h5")
                run(
                    "ddpm-dist", "import", "diffusers", Runs.folder / f"{name}.out", "--levels", 0,
                    "--output", checkpoint,
                )  # fmt: skip
                x = np.random.default_rng(2).standard_normal((8, 8, 8, 1)).astype(np.float32)
                with h5py.File(self.path("x_T.h5"), "w") as file:
                    file["x_T"] = x
                for grid in ("trailing", "leading"):
                    out, words = self.path(f"{name}-{grid}.h5"), []
                    if name == "classes":
                        words = ["--class", "3"]
                    run(
                        "ddpm-sample", "--ckpt", checkpoint, "--sampler", "ddim", "--steps", 10,
                        "--grid", grid, "--init", self.path("x_T.h5"), "--out", out, *words,
                    )  # fmt: skip
                    with h5py.File(out) as file:
                        ours = torch.tensor(file["samples"][...]).permute(0, 3, 1, 2)
                    theirs = self.ddim(pipeline, x, grid, 3 if words else None)
                    self.assert_near(ours, theirs, SAMPLE, f"DDIM {name} {grid}")

    @torch.no_grad()
    def ddim(self, pipeline, x, grid, label):
        scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, timestep_spacing=grid)
        scheduler.set_timesteps(10)
        x = torch.tensor(x).permute(0, 3, 1, 2)
        labels = None if label is None else torch.full((len(x),), label)
        for t in scheduler.timesteps:
            output = pipeline.unet(x, t, class_labels=labels).sample
            # As ours, the noise is that which belongs to the clipped image.
            x = scheduler.step(output, t, x, use_clipped_model_output=True).prev_sample
        return x

    def test_the_pipeline_draws(self):
        for name in ("plain", "learned"):
            pipeline = load(Runs.folder / f"{name}.out")
            steps = pipeline.scheduler.config.num_train_timesteps
            images = pipeline(batch_size=2, num_inference_steps=steps, output_type="np").images
            self.assertEqual(images.shape, (2, 8, 8, 1))
            self.assertTrue(np.isfinite(images).all() and images.std() > 0.05)

    def test_variances_are_ours(self):
        for name, kind in (("linear", "fixed_large"), ("plain", "fixed_small"), ("learned", None)):
            scheduler = load(Runs.folder / f"{name}.out").scheduler
            self.assertEqual(scheduler.config.variance_type, kind or "learned_range")
            checkpoint = sorted((Runs.folder / name / "checkpoints").glob("step-*.h5"))[-1]
            with h5py.File(checkpoint) as file:
                betas = file["diffusion/betas"][...]
            alphas = np.cumprod(1 - betas)
            np.testing.assert_allclose(scheduler.betas.numpy(), betas, rtol=1e-5)
            v = torch.linspace(-1.2, 1.2, 9)
            for t in range(1, len(betas)):
                small = (1 - alphas[t - 1]) / (1 - alphas[t]) * betas[t]
                if kind:
                    ours = betas[t] if kind == "fixed_large" else small
                    theirs = scheduler._get_variance(t).item()
                else:
                    # docs/formats.md: log σ² = (1+v)/2 log β_t + (1−v)/2 log β̃_t.
                    ours = (1 + v) / 2 * np.log(betas[t]) + (1 - v) / 2 * np.log(small)
                    theirs = scheduler._get_variance(t, predicted_variance=v)
                np.testing.assert_allclose(theirs, ours, rtol=2e-3)

    def test_again_gives_equal_bytes(self):
        for name in RUNS:
            with self.subTest(name):
                first, second = Runs.folder / f"{name}.out", pathlib.Path(self.path(name))
                checkpoint = self.path(f"{name}.h5")
                run("ddpm-dist", "import", "diffusers", first, "--output", checkpoint)
                run("ddpm-dist", "checkpoint", "verify", checkpoint)
                run("ddpm-dist", "export", "diffusers", checkpoint, second)
                self.assertEqual(len(files(first)), 5)
                self.assertEqual(files(first), files(second))
                same, *others = filecmp.cmpfiles(first, second, files(first), shallow=False)
                self.assertEqual(others, [[], []])
                self.assertEqual(len(same), 5)

    def test_the_weights_of_the_last_step_too(self):
        out, again = self.path("out"), self.path("again")
        run("ddpm-dist", "export", "diffusers", Runs.folder / "plain", out, "--weights", "model")
        unet = load(out).unet
        checkpoint = sorted((Runs.folder / "plain/checkpoints").glob("step-*.h5"))[-1]
        with h5py.File(checkpoint) as file:
            weights = file["model/conv_in/W"][...].transpose(3, 2, 0, 1)
            self.assertFalse(np.array_equal(weights.T, file["average/conv_in/W"][...].T))
        np.testing.assert_array_equal(unet.conv_in.weight.detach().numpy(), weights)
        run("ddpm-dist", "import", "diffusers", out, "--output", self.path("a.h5"))
        run("ddpm-dist", "export", "diffusers", self.path("a.h5"), again)
        self.assertEqual(filecmp.cmpfiles(out, again, files(out), shallow=False)[1], [])

    def test_what_diffusers_saves_again_is_imported(self):
        pipeline = load(Runs.folder / "classes.out")
        pipeline.save_pretrained(self.path("saved"))
        names = ",".join(f"digit {k}" for k in range(10))
        run(
            "ddpm-dist", "import", "diffusers", self.path("saved"), "--class-names", names,
            "--levels", 17, "--output", self.path("saved.h5"),
        )  # fmt: skip
        known, ours = prediction(self.path("saved.h5"), self.folder, (8, 8, 1), 40, 10)
        self.assert_near(ours, answer(pipeline.unet, known), PREDICTION, "saved again")

    def test_what_cannot_be_said(self):
        for words, code, parts in (
            (["prediction=mean"], 64, ["prediction: mean"]),
            (["heads=2", "attention=[8,4]"], 64, ["2 heads", "16 and 32"]),
            (["multipliers=[2,2]"], 64, ["multipliers begin with 2"]),
            (["model=vdm", "attention=[]"], 64, ["family vdm"]),
            (["model=vae"], 64, ["family vae"]),
        ):
            with self.subTest(words):
                name = self.path("-".join(words).replace("=", "-"))
                run(
                    "ddpm-dist", "train", "--run", name, "--steps", 1, "--workers", 1, "--set",
                    *settings(words), "sample_last=false",
                )  # fmt: skip
                done = call("ddpm-dist", "export", "diffusers", name, self.path("no"))
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                for part in parts:
                    self.assertIn(part, done.stderr)
                self.assertFalse(os.path.exists(self.path("no")))

    def test_nothing_of_others_is_replaced(self):
        out = pathlib.Path(self.path("out"))
        words = ["export", "diffusers", Runs.folder / "plain", out]
        run("ddpm-dist", *words)
        self.assertEqual(call("ddpm-dist", *words).returncode, 73)
        run("ddpm-dist", *words, "--force")
        (out / "diary.txt").write_text("dear diary")
        before = files(out)
        for force in ([], ["--force"]):
            done = call("ddpm-dist", *words, *force)
            self.assertEqual((done.returncode, files(out)), (73, before), done.stderr)
        self.assertEqual(os.listdir(self.folder), ["out"])


class Import(Agreement):
    """`ddpm-dist import diffusers`."""

    def unet(self, **more) -> UNet2DModel:
        """A random network of the kind that is ours."""
        torch.manual_seed(3)
        return UNet2DModel(**(KIND | more))

    def check(self, unet: UNet2DModel, folder: str, *words, steps: int = 1000, labels=None):
        """Imports a folder, and compares the network's answers."""
        checkpoint = self.path("import.h5")
        printed = run(
            "ddpm-dist", "import", "diffusers", folder, "--output", checkpoint, "--force", *words
        )
        size = unet.config.sample_size or 8
        size = [size, size] if isinstance(size, int) else list(size)
        known, ours = prediction(
            checkpoint, self.folder, (*size, unet.config.in_channels), steps, labels
        )
        self.assert_near(ours, answer(unet, known), PREDICTION, f"import {self._testMethodName}")
        run(
            "ddpm-sample", "--ckpt", checkpoint, "--count", 1, "--steps", 2, "--sampler", "ddim",
            "--out", self.path("a.h5"),
        )  # fmt: skip
        os.unlink(self.path("a.h5"))
        return printed

    def test_a_random_network_alone(self):
        unet = self.unet()
        unet.save_pretrained(self.path("a"))
        self.assertIn("has no scheduler_config.json", self.check(unet, self.path("a")))

    def test_a_pipeline(self):
        unet = self.unet(sample_size=[8, 16], out_channels=6)
        scheduler = DDPMScheduler(
            num_train_timesteps=60, beta_schedule="squaredcos_cap_v2", variance_type="learned_range",
            prediction_type="v_prediction",
        )  # fmt: skip
        DDPMPipeline(unet, scheduler).save_pretrained(self.path("a"))
        self.check(unet, self.path("a"), steps=60)
        with h5py.File(self.path("import.h5")) as file:
            betas = file["diffusion/betas"][...]
            self.assertEqual(file["diffusion"].attrs["variance"].decode(), "learned")
            self.assertEqual(file["diffusion"].attrs["prediction"].decode(), "v")
        np.testing.assert_allclose(scheduler.betas.numpy(), betas, rtol=1e-4)

    def test_every_schedule(self):
        unet = self.unet(block_out_channels=(16,), down_block_types=("DownBlock2D",),
                         up_block_types=("UpBlock2D",), layers_per_block=1)  # fmt: skip
        for words in (
            {"beta_schedule": "linear", "beta_end": 0.03},
            {"beta_schedule": "scaled_linear", "beta_start": 0.001},
            {"beta_schedule": "sigmoid"},
            {"trained_betas": list(np.linspace(0.01, 0.2, 50))},
            {"beta_schedule": "linear", "rescale_betas_zero_snr": True,
             "prediction_type": "sample"},
        ):  # fmt: skip
            with self.subTest(words):
                scheduler = DDPMScheduler(num_train_timesteps=50, **words)
                shutil.rmtree(self.path("a"), ignore_errors=True)
                DDPMPipeline(unet, scheduler).save_pretrained(self.path("a"))
                run(
                    "ddpm-dist", "import", "diffusers", self.path("a"), "--force", "--output",
                    self.path("a.h5"),
                )  # fmt: skip
                with h5py.File(self.path("a.h5")) as file:
                    betas = file["diffusion/betas"][...]
                # float32 there: 1 − α loses digits where β is small.
                np.testing.assert_allclose(scheduler.betas.numpy(), betas, rtol=1e-4, atol=1e-6)

    def test_heads_and_classes(self):
        unet = self.unet(
            block_out_channels=(32, 32), attention_head_dim=8, num_class_embeds=5, sample_size=None
        )
        unet.save_pretrained(self.path("a"))
        done = call("ddpm-dist", "import", "diffusers", self.path("a"), "--output", self.path("b.h5"))
        self.assertEqual((done.returncode, "sample_size" in done.stderr), (65, True), done.stderr)
        # One name fewer: the last row stands for no class.
        self.check(unet, self.path("a"), "--size", 8, "--class-names", "a,b,c,d", labels=4)
        printed = run(
            "ddpm-dist", "import", "diffusers", self.path("a"), "--size", 8, "--force", "--output",
            self.path("import.h5"),
        )  # fmt: skip
        self.assertIn("all 5 rows", printed)
        with h5py.File(self.path("import.h5")) as file:
            table = file["model/class_embedding/W"][...]
        np.testing.assert_array_equal(table[:5], unet.class_embedding.weight.detach().numpy())
        np.testing.assert_array_equal(table[5], 0)

    def test_the_oldest_layout(self):
        unet = self.unet()
        unet.save_pretrained(self.path("a"))
        DDPMScheduler(variance_type="fixed_large").save_pretrained(self.path("a"))
        name = self.path("a/diffusion_pytorch_model.safetensors")
        tensors = safetensors.torch.load_file(name)
        old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
        renamed = {}
        for key, value in tensors.items():
            for new, before in old.items():
                key = key.replace(new, before)
            # As convolutions of one pixel.
            is_matrix = ".query." in key and value.ndim == 2
            renamed[key] = value[:, :, None, None].contiguous() if is_matrix else value
        self.assertNotEqual(set(renamed), set(tensors))
        safetensors.torch.save_file(renamed, name)
        config = json.loads(pathlib.Path(self.path("a/config.json")).read_text())
        for key in list(config):
            if key in ("add_attention", "mid_block_type", "num_train_timesteps", "dropout",
                       "class_embed_type", "attn_norm_num_groups", "upsample_type"):  # fmt: skip
                del config[key]
        config["resnet_eps"] = 1e-6
        pathlib.Path(self.path("a/config.json")).write_text(json.dumps(config))
        self.assertIn("resnet_eps is no key", self.check(unet, self.path("a")))

    def test_shards(self):
        unet = self.unet()
        unet.save_pretrained(self.path("a"), max_shard_size="100KB")
        self.assertTrue(os.path.exists(self.path("a/diffusion_pytorch_model.safetensors.index.json")))
        self.check(unet, self.path("a"))

    def test_half_precision(self):
        unet = self.unet().half()
        unet.save_pretrained(self.path("a"))
        self.check(unet.float(), self.path("a"))

    def test_pickles_are_refused(self):
        self.unet().save_pretrained(self.path("a"), safe_serialization=False)
        self.refused(self.path("a"), ["pickled Python", "save_pretrained"])

    def test_what_our_network_cannot_be(self):
        for key, value in REFUSED.items():
            with self.subTest(key):
                folder = pathlib.Path(self.path("a"))
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(Runs.folder / "random", folder)
                path = folder / "unet/config.json"
                if key in SCHEDULER_REFUSED:
                    path = folder / "scheduler/scheduler_config.json"
                config = json.loads(path.read_text())
                if key == "pipeline":
                    # Its network denoises latents.
                    path, key = folder / "model_index.json", "_class_name"
                    config = json.loads(path.read_text())
                if value is ...:
                    del config[key]
                else:
                    config[key] = value
                path.write_text(json.dumps(config))
                self.refused(folder, [key, "is missing" if value is ... else "is "])

    def refused(self, folder, parts: list[str]):
        done = call("ddpm-dist", "import", "diffusers", folder, "--output", self.path("no.h5"))
        written = os.path.exists(self.path("no.h5"))
        if written:
            os.unlink(self.path("no.h5"))
        self.assertEqual((done.returncode, written), (65, False), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_damaged_files(self):
        """One line and 65, under 100 MB, nothing written; or it is still a good file."""
        DDPMPipeline(self.unet(), DDPMScheduler()).save_pretrained(self.path("good"))
        self.unet().save_pretrained(self.path("shards"), max_shard_size="100KB")
        kinds = [
            ("good", "model_index.json"), ("good", "unet/config.json"), ("good", "scheduler/scheduler_config.json"),
            ("good", "unet/diffusion_pytorch_model.safetensors"),
            ("shards", "diffusion_pytorch_model.safetensors.index.json"),
        ]  # fmt: skip
        for folder, name in kinds:
            refused = 0
            for number in range(damaged):
                rng = random.Random(f"{name} {number}")
                bad = pathlib.Path(self.path("bad"))
                shutil.rmtree(bad, ignore_errors=True)
                shutil.copytree(self.path(folder), bad)
                (bad / name).write_bytes(mutate((bad / name).read_bytes(), rng))
                with self.subTest(name=name, number=number):
                    refused += self.judge(bad)
            print(f"damaged {name}: {refused} of {damaged} refused", file=sys.stderr)
            self.assertGreater(refused, damaged // 4, name)

    def judge(self, folder) -> bool:
        out = self.path("bad.h5")
        # Between them a process that is small: the peak of a new one begins with its parent's.
        words = [programs / "ddpm-dist", "import", "diffusers", folder, "--output", out]
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, *map(str, words)], capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        code, peak = map(int, done.stdout.split()[-2:])
        text = done.stderr
        self.assertLess(peak, 100_000, text)
        if code == 0:
            os.unlink(out)
            return False
        self.assertEqual(code, 65, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertFalse([name for name in os.listdir(self.folder) if name.startswith("bad.h5")])
        return True


KIND = {
    "sample_size": 8, "in_channels": 3, "out_channels": 3, "block_out_channels": (16, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"), "layers_per_block": 2, "norm_num_groups": 8,
    "attention_head_dim": None, "downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1,
    "norm_eps": 1e-6,
}  # fmt: skip
"""What a UNet2DModel has to be told to be of our kind."""

REFUSED = {
    "act_fn": "gelu", "add_attention": False, "attention_head_dim": 5, "block_out_channels": [16, 24],
    "center_input_sample": True, "class_embed_type": "timestep", "down_block_types": [
        "DownBlock2D", "AttnSkipDownBlock2D"],
    "downsample_padding": 1, "downsample_type": "resnet", "flip_sin_to_cos": ..., "freq_shift": 0,
    "layers_per_block": 0, "mid_block_scale_factor": 1.5, "mid_block_type": None, "norm_eps": 1e-5,
    "norm_num_groups": None, "out_channels": 5, "resnet_time_scale_shift": "scale_shift",
    "sample_size": "8", "skip_time_act": True, "time_embedding_dim": 100,
    "time_embedding_type": "fourier", "up_block_types": ["UpBlock2D", "AttnUpBlock2D"],
    "upsample_type": "resnet", "_class_name": "UNet2DConditionModel", "dropout": 1,
    "prediction_type": "flow", "variance_type": "learned_range", "beta_schedule": "laplace",
    "num_train_timesteps": 0, "thresholding": True, "trained_betas": [0.1, 2],
    "rescale_betas_zero_snr": True, "clip_sample_range": 2, "pipeline": "LDMPipeline",
}  # fmt: skip
SCHEDULER_REFUSED = {
    "prediction_type", "variance_type", "beta_schedule", "num_train_timesteps", "thresholding",
    "trained_betas", "rescale_betas_zero_snr", "clip_sample_range",
}  # fmt: skip


MEASURE = """
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command, and prints its exit code and the peak of its memory in KiB."""


def mutate(content: bytes, rng: random.Random) -> bytes:
    """A bit, some bytes, an end that is missing, a block twice, or a number that is too large."""
    data = bytearray(content)
    way, near = rng.randrange(5), min(len(data), 4096)
    if way == 0:
        data[rng.randrange(near)] ^= 1 << rng.randrange(8)
    elif way == 1:
        for _ in range(rng.randint(2, 11)):
            data[rng.randrange(near)] = rng.randrange(256)
    elif way == 2:
        del data[rng.randrange(len(data)) :]
    elif way == 3:
        start, size = rng.randrange(near), rng.randint(1, 200)
        data[start:start] = data[start : start + size]
    else:
        start = rng.randrange(near)
        data[start : start + 1] = rng.choice([b"9" * 18, b"[" * 3000, b"\xff" * 8, b"\x1b[2J", b"1e999"])
    return bytes(data)


class Training(Agreement):
    """`ddpm-dist train --init-from`."""

    def train(self, name: str, source, *words, more=(), ranks: int = 1):
        command = [
            *(["mpirun", "-n", str(ranks), "--bind-to", "none"] if ranks > 1 else []),
            str(programs / "ddpm-dist"), "train", "--run", self.path(name), "--init-from", str(source), "--steps", "2",
            "--workers", "1", *more, "--set", *settings(["diffusion_steps=40", *words]),
            "checkpoint_every=1", "sample_last=false",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def first(self, name: str):
        return h5py.File(self.path(f"{name}/checkpoints/step-00000001.h5"))

    def test_weights_alone_are_taken_over(self):
        sources = [
            ("run", Runs.folder / "plain"), ("folder", Runs.folder / "plain.out"),
            ("file", sorted((Runs.folder / "plain/checkpoints").glob("step-*.h5"))[-1]),
        ]  # fmt: skip
        for name, source in sources:
            done = self.train(name, source, "learning_rate=1e-9")
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(sources[2][1]) as file, self.first(name) as new:
                before = file["average/mid/attn_1/q/W"][...]
                # A step of 1e-9 changes nothing that a comparison with 1e-7 sees.
                np.testing.assert_allclose(new["model/mid/attn_1/q/W"][...], before, atol=1e-7)
                np.testing.assert_allclose(new["average/mid/attn_1/q/W"][...], before, atol=1e-7)
                self.assertEqual(new["progress"].attrs["step"], 1)
                self.assertIn(str(source), new["provenance"].attrs["initial_weights"].decode())
            history = pathlib.Path(self.path(f"{name}/history.jsonl")).read_text()
            self.assertIn(str(source), json.loads(history)["initialWeights"])
        # The same on two ranks, of which one reads.
        done = self.train("two", sources[0][1], "learning_rate=1e-9", ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        with self.first("run") as a, self.first("two") as b:
            for key in ("model/conv_out/W", "optimizer/second/conv_in/W"):
                np.testing.assert_array_equal(a[key][...], b[key][...])
        # The same weights from all three: the same run.
        with self.first("run") as a, self.first("folder") as b:
            for key in ("model/conv_out/W", "optimizer/second/conv_in/W"):
                np.testing.assert_array_equal(a[key][...], b[key][...])

    def test_one_command_begins_and_goes_on(self):
        for _ in range(2):
            done = self.train("again", Runs.folder / "plain", more=["--resume"])
            self.assertEqual(done.returncode, 0, done.stderr)
        history = pathlib.Path(self.path("again/history.jsonl")).read_text().splitlines()
        self.assertEqual(["initialWeights" in json.loads(line) for line in history], [True])

    def test_what_does_not_fit(self):
        for words, parts in (
            (["channels=32"], ["temb/dense0/W", "channels is 32 here and 16 there"]),
            (["multipliers=[1,2,2]"], ["multipliers is [1, 2, 2] here"]),
            (["condition=class"], ["class_embedding/W", "condition is class here"]),
        ):
            done = self.train("no", Runs.folder / "plain", *words)
            self.assertEqual(done.returncode, 65, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            for part in parts:
                self.assertIn(part, done.stderr)
        done = self.train("no", self.path("nothing"))
        self.assertEqual(done.returncode, 66, done.stderr)

    def test_what_means_something_else_is_said(self):
        done = self.train("a", Runs.folder / "plain", "prediction=v", "heads=2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("prediction was epsilon there", done.stderr)
        self.assertIn("heads was 1 there", done.stderr)


class Runs:
    """What all tests begin with."""

    folder = pathlib.Path()

    @classmethod
    def make(cls, folder: str):
        cls.folder = pathlib.Path(folder)
        for name, words in RUNS.items():
            run(
                "ddpm-dist", "train", "--run", cls.folder / name, "--steps", 150, "--set",
                *settings(["learning_rate=5e-3", "sample_last=false", *words]),
            )  # fmt: skip
            run("ddpm-dist", "export", "diffusers", cls.folder / name, cls.folder / f"{name}.out")
        torch.manual_seed(4)
        DDPMPipeline(UNet2DModel(**KIND), DDPMScheduler()).save_pretrained(cls.folder / "random")


def main():
    global programs, damaged
    arguments = sys.argv[1:]
    programs = pathlib.Path(arguments.pop(0)).resolve()
    if "--damaged" in arguments:
        place = arguments.index("--damaged")
        damaged = int(arguments[place + 1])
        del arguments[place : place + 2]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if os.geteuid() == 0:
        os.environ["OMPI_ALLOW_RUN_AS_ROOT"] = os.environ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    os.environ["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    diffusers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="ddpm-diffusers-") as folder:
        Runs.make(folder)
        test = unittest.main(argv=[sys.argv[0], *arguments], exit=False, verbosity=1)
    result = test.result
    bad = len({id(case) for case, _ in result.failures + result.errors})
    print(f"{result.testsRun - min(bad, result.testsRun)} passed, {bad} failed")
    sys.exit(1 if bad or result.testsRun == 0 else 0)


if __name__ == "__main__":
    main()
