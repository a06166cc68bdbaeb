"""Reads the files that ddpm-dist and ddpm-sample write with h5py and NumPy, as any scientist would.

    python test_files.py FOLDER_OF_THE_TWO_PROGRAMS [unittest's arguments]

It makes a small CSV file, imports it, trains two steps on it, averages, exports, predicts and samples, draws
datasets of known distributions and of digits with captions, and compares names, types, shapes and attributes with
docs/formats.md. The last line reads "N passed, N failed".
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
import zlib

import h5py
import numpy as np
import safetensors
import safetensors.numpy
import xxhash

IMAGES = 512
SIDE = 8
LEVELS = 17
SAMPLES = 4

programs = pathlib.Path()
"""The folder of ddpm-dist and ddpm-sample, from the command line."""


def run(program: str, *arguments) -> str:
    """Runs one of our programs and returns what it printed; fails with its complaint."""
    command = [str(programs / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    if done.returncode != 0:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def text(value) -> str:
    """A string as h5py returns it: bytes where it has a fixed length, as all of ours have."""
    return value.decode() if isinstance(value, bytes) else str(value)


def tensors(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Every dataset below a group, by its path from there."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item

    group.visititems(visit)
    return found


class Dataset(unittest.TestCase):
    """`ddpm-dist dataset import csv`."""

    def setUp(self):
        self.file = h5py.File(Files.dataset)
        self.addCleanup(self.file.close)

    def test_says_what_it_is(self):
        attributes = self.file.attrs
        self.assertEqual(text(attributes["format"]), "ddpm-dataset")
        self.assertGreaterEqual(int(attributes["version"]), 1)
        for name in ("name", "content_hash"):
            self.assertTrue(text(attributes[name]), name)

    def test_ends_in_its_trailer(self):
        content = pathlib.Path(Files.dataset).read_bytes()
        mark, length = struct.unpack("<8sQ", content[-32:-16])
        self.assertEqual((mark, length), (b"DDPMSET1", len(content) - 32))
        self.assertEqual(content[-16:], xxhash.xxh3_128(content[:length]).digest())

    def test_strings_have_a_fixed_length(self):
        strings = 0
        for item in (self.file, self.file["images"], self.file["labels"]):
            for name in item.attrs:
                kind = item.attrs.get_id(name).get_type()
                if isinstance(kind, h5py.h5t.TypeStringID):
                    self.assertFalse(kind.is_variable_str(), name)
                    strings += 1
        self.assertGreater(strings, 3)

    def test_images_are_those_of_the_table(self):
        images = self.file["images"]
        self.assertEqual(images.dtype, np.uint8)
        self.assertEqual(images.shape, (IMAGES, SIDE, SIDE, 1))
        self.assertEqual(int(images.attrs["levels"]), LEVELS)
        np.testing.assert_array_equal(images[...], Files.pixels)

    def test_labels_are_those_of_the_table(self):
        labels = self.file["labels"]
        self.assertTrue(np.issubdtype(labels.dtype, np.integer))
        np.testing.assert_array_equal(labels[...], Files.labels)


class Drawn(unittest.TestCase):
    """`ddpm-dist dataset make`: what the file says, computed from its images and parameters."""

    def read(self, path):
        file = h5py.File(path)
        self.addCleanup(file.close)
        images = file["images"][...].reshape(len(file["images"]), -1)
        return file, images

    def test_gaussian(self):
        file, images = self.read(Files.gaussian)
        self.assertEqual(images.dtype, np.float32)
        self.assertEqual(list(file["images"].attrs["value_range"]), [-1, 1])
        self.assertEqual(text(file.attrs["distribution"]), "gaussian")
        mean, deviation, correlation = (
            float(file.attrs[f"distribution_{name}"])
            for name in ("mean", "deviation", "correlation")
        )
        at = np.arange(SIDE)
        line = correlation ** np.abs(at[:, None] - at)
        covariance = deviation**2 * np.kron(line, line)
        _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
        x = images.astype(np.float64) - mean
        squares = np.einsum("ni,ni->n", x, np.linalg.solve(covariance, x.T).T)
        self.assertAlmostEqual(
            file.attrs["true_nll_nats"], np.mean(log_determinant + squares) / 2, places=6)
        self.assertAlmostEqual(
            file.attrs["entropy_nats"], (log_determinant + SIDE**2) / 2, places=6)

    def test_mixture(self):
        file, images = self.read(Files.mixture)
        deviation = float(file.attrs["distribution_deviation"])
        weights = file.attrs["distribution_weights"]
        pictures = file.attrs["distribution_pictures"].reshape(len(weights), -1)
        self.assertEqual(len(weights), len(file["labels"].attrs["class_names"]))
        distances = ((images[:, None].astype(np.float64) - pictures) ** 2).sum(-1)
        np.testing.assert_array_equal(distances.argmin(-1), file["labels"][...])
        logs = np.log(weights) - distances / (2 * deviation**2)
        logs -= SIDE**2 / 2 * np.log(2 * np.pi * deviation**2)
        nats = -np.logaddexp.reduce(logs, axis=1).mean()
        self.assertAlmostEqual(file.attrs["true_nll_nats"], nats, places=6)
        self.assertNotIn("entropy_nats", file.attrs)

    def test_coin(self):
        file, images = self.read(Files.coin)
        self.assertEqual((images.dtype, int(file["images"].attrs["levels"])), (np.uint8, 2))
        p = float(file.attrs["distribution_probability"])
        self.assertEqual(int(file.attrs["distribution_block"]), SIDE)
        np.testing.assert_array_equal(images, np.repeat(file["labels"][...][:, None], SIDE**2, 1))
        nats = -np.where(images[:, 0] == 1, np.log(p), np.log(1 - p)).mean()
        self.assertAlmostEqual(file.attrs["true_nll_nats"], nats, places=9)
        entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
        self.assertAlmostEqual(file.attrs["entropy_nats"], entropy, places=12)


class Captioned(unittest.TestCase):
    """Pictures with captions: what the strings are, and what the labels of scenes mean."""

    def check(self, path, per_image):
        with h5py.File(path) as file:
            self.assertEqual(int(file.attrs["version"]), 2)
            stored = file["captions"]
            self.assertEqual(stored.shape, (IMAGES, per_image))
            # Strings of a fixed length: no heap.
            self.assertEqual(stored.dtype.kind, "S")
            self.assertEqual(h5py.check_string_dtype(stored.dtype).encoding, "utf-8")
            captions = [[value.decode() for value in row] for row in stored[...]]
            declared = text(stored.attrs["content_hash"])
            images, labels = file["images"][..., 0], file["labels"][...]
            names = [text(name) for name in file["labels"].attrs["class_names"]]
        value = xxhash.xxh3_128()
        for row in captions:
            for caption in row:
                value.update(caption.encode() + b"\0")
        value.update(struct.pack("<2q", IMAGES, per_image))
        self.assertEqual(declared, value.hexdigest())
        return captions, images, labels, names

    def test_scenes(self):
        captions, images, labels, names = self.check(Files.scenes, 4)
        numerals = "zero one two three four five six seven eight nine".split()
        place = ["top left", "top right", "bottom left", "bottom right", "middle"]
        for row, image, label in zip(captions, images, labels):
            self.assertEqual(row[0], names[label])
            if label < 50:
                wanted = [numerals[label % 10], place[label // 10]]
                (y, x) = ((0, 0), (0, 8), (8, 0), (8, 8), (4, 4))[label // 10]
                cells = [(y, x)]
            else:
                pair = label - (50 if label < 150 else 150)
                wanted = [numerals[pair // 10], numerals[pair % 10]]
                cells = [(4, 0), (4, 8)] if label < 150 else [(0, 4), (8, 4)]
            for caption in row:
                for word in set(wanted) - {"middle"}:  # Which is the centre, too.
                    self.assertIn(word, caption)
            for y, x in cells:
                self.assertGreater(image[y : y + 8, x : x + 8].sum(), 0)
                image[y : y + 8, x : x + 8] = 0
            self.assertEqual(image.sum(), 0)

    def test_held_out_scenes_are_not_seen(self):
        _, _, seen, _ = self.check(Files.scenes, 4)
        captions, _, labels, names = self.check(Files.held_out, 4)
        self.assertEqual(set(seen) & set(labels), set())
        self.assertEqual(len(set(labels)), 20)
        self.assertIn("在", names[labels[0]])
        self.assertEqual(captions[0][0], names[labels[0]])

    def test_coloured_digits(self):
        captions, _, labels, names = self.check(Files.coloured, 3)
        for row, label in zip(captions, labels):
            for caption in row:
                self.assertIn(names[label], caption)


class Checkpoint(unittest.TestCase):
    """What two steps of `ddpm-dist train` leave."""

    def setUp(self):
        self.file = h5py.File(Files.folder / "checkpoints" / "step-00000002.h5")
        self.addCleanup(self.file.close)

    def test_says_what_it_is(self):
        self.assertEqual(text(self.file.attrs["format"]), "ddpm-checkpoint")
        self.assertGreaterEqual(int(self.file.attrs["version"]), 1)
        self.assertGreater(len(self.file["provenance"].attrs), 0)

    def test_progress(self):
        progress = self.file["progress"].attrs
        self.assertEqual(int(progress["step"]), 2)
        self.assertEqual(int(progress["seed"]), 5)
        shards = int(progress["shards"])
        self.assertEqual(progress["epochs"].shape, (shards,))
        # Two batches of equal size, each cut into the shards.
        self.assertGreater(int(progress["images_seen"]), 0)
        self.assertEqual(int(progress["images_seen"]) % (2 * shards), 0)
        self.assertTrue(np.isfinite(progress["loss"]))

    def test_four_sets_of_tensors_agree_in_names_and_shapes(self):
        model = tensors(self.file["model"])
        self.assertGreater(len(model), 50)
        shapes = {name: tensor.shape for name, tensor in model.items()}
        for place in ("model", "average", "optimizer/first", "optimizer/second"):
            found = tensors(self.file[place])
            self.assertEqual({name: t.shape for name, t in found.items()}, shapes, place)
            for name, tensor in found.items():
                self.assertEqual(tensor.dtype, np.float32, f"{place}/{name}")
                self.assertTrue(np.isfinite(tensor[...]).all(), f"{place}/{name}")
        for name, tensor in tensors(self.file["optimizer/second"]).items():
            self.assertTrue((tensor[...] >= 0).all(), name)

    def test_the_order_of_the_tensors_is_recorded(self):
        order = [text(name) for name in self.file["tensors"][...]]
        self.assertEqual(sorted(order), sorted(tensors(self.file["model"])))
        self.assertEqual((order[0], order[-1]), ("temb/dense0/W", "conv_out/b"))

    def test_tensors_have_the_shapes_of_the_network(self):
        model = tensors(self.file["model"])
        width = model["conv_in/b"].shape[0]
        self.assertEqual(model["conv_in/W"].shape, (3, 3, 1, width))
        self.assertEqual(model["conv_out/W"].shape, (3, 3, width, 1))
        self.assertEqual(model["temb/dense0/W"].shape, (width, 4 * width))
        self.assertEqual(model["temb/dense1/W"].shape, (4 * width, 4 * width))
        for name, tensor in model.items():
            if name.endswith("/W"):  # (kh, kw, in, out) or (in, out), with a bias of (out)
                self.assertIn(tensor.ndim, (2, 4), name)
                self.assertEqual(model[name[:-1] + "b"].shape, tensor.shape[-1:], name)
            else:
                self.assertEqual(tensor.ndim, 1, name)

    def test_training_has_moved_the_weights(self):
        first = tensors(self.file["optimizer/first"])
        self.assertTrue(any(np.any(tensor[...] != 0) for tensor in first.values()))

    def test_schedule_is_stored_in_double(self):
        betas = self.file["diffusion/betas"]
        self.assertEqual(betas.dtype, np.float64)
        self.assertEqual(betas.ndim, 1)
        values = betas[...]
        self.assertTrue(((values > 0) & (values < 1)).all())
        for name in ("prediction", "variance"):
            self.assertTrue(text(self.file["diffusion"].attrs[name]), name)

    def test_configuration_is_the_run_s_without_what_has_no_effect_on_the_result(self):
        stored = text(self.file["config"][()]).split("\n")
        whole = (Files.folder / "config.yaml").read_text().split("\n")
        left_out = [line.split(":")[0] for line in whole if line not in stored]
        self.assertEqual(
            left_out,
            ["name", "data", "data_group", "workers", "memory", "hang_timeout",
             "compare_weights_every", "validation"])
        self.assertEqual(stored, [line for line in whole if line in stored])

    def test_metrics_are_lines_of_json(self):
        lines = (Files.folder / "metrics.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        losses = {entry["step"]: entry["loss"] for entry in entries if "loss" in entry}
        self.assertIn(2, losses)
        self.assertTrue(all(np.isfinite(loss) and loss > 0 for loss in losses.values()))


class Averages(unittest.TestCase):
    """The power averages in a checkpoint and a snapshot, and what `ddpm-dist average` makes."""

    def test_a_snapshot_holds_the_checkpoint_s_averages(self):
        checkpoint = Files.folder / "checkpoints" / "step-00000002.h5"
        snapshot = Files.folder / "averages" / "step-00000002.h5"
        with h5py.File(checkpoint) as whole, h5py.File(snapshot) as part:
            self.assertEqual(text(part.attrs["format"]), "ddpm-averages")
            self.assertEqual(int(part.attrs["version"]), 1)
            self.assertEqual(int(part["progress"].attrs["step"]), 2)
            self.assertEqual(sorted(part), ["averages", "progress", "tensors"])
            self.assertEqual(sorted(part["averages"]), ["0.05", "0.1"])
            shapes = {name: t.shape for name, t in tensors(whole["model"]).items()}
            for length in part["averages"]:
                found = tensors(part["averages"][length])
                self.assertEqual({name: t.shape for name, t in found.items()}, shapes)
                for name, tensor in found.items():
                    self.assertEqual(tensor.dtype, np.float32)
                    np.testing.assert_array_equal(tensor, whole["averages"][length][name])

    def test_the_average_follows_its_formula(self):
        steps = [1, 2]
        weights, averages = [], []
        for step in steps:
            name = f"step-{step:08}.h5"
            with h5py.File(Files.folder / "checkpoints" / name) as file:
                weights.append(file["model/conv_in/W"][...].astype(np.float64))
                averages.append(file["averages/0.1/conv_in/W"][...])
        gamma = max(np.roots([1, 7, 16 - 0.1**-2, 12 - 0.1**-2]).real)
        expected = weights[0]
        np.testing.assert_allclose(averages[0], expected, rtol=1e-6, atol=1e-12)
        beta = (1 - 1 / 2) ** (gamma + 1)
        expected = beta * expected + (1 - beta) * weights[1]
        np.testing.assert_allclose(averages[1], expected, rtol=1e-5, atol=1e-9)

    def test_another_length_is_a_checkpoint(self):
        source = Files.folder / "checkpoints" / "step-00000002.h5"
        with h5py.File(source) as old, h5py.File(Files.average) as new:
            self.assertIn("length 0.08 at step 2", text(new["provenance"].attrs["average"]))
            for place in ("model", "optimizer/first", "optimizer/second", "averages/0.05"):
                for name, tensor in tensors(new[place]).items():
                    np.testing.assert_array_equal(tensor, old[place][name])
            self.assertTrue(
                any(np.any(t != old["average"][name]) for name, t in tensors(new["average"]).items())
            )


class Exported(unittest.TestCase):
    """`ddpm-dist export diffusers`: the folder, as the format's own reader and `json` see it."""

    def test_the_weights_are_the_average(self):
        weights = safetensors.numpy.load_file(
            Files.exported / "unet" / "diffusion_pytorch_model.safetensors"
        )
        with h5py.File(Files.folder / "checkpoints" / "step-00000002.h5") as file:
            average = file["average"]
            count = sum(item.size for item in tensors(average).values())
            self.assertEqual(sum(tensor.size for tensor in weights.values()), count)
            np.testing.assert_array_equal(
                weights["conv_in.weight"], average["conv_in/W"][...].transpose(3, 2, 0, 1)
            )
            np.testing.assert_array_equal(
                weights["mid_block.attentions.0.to_v.weight"], average["mid/attn_1/v/W"][...].T
            )
            np.testing.assert_array_equal(
                weights["up_blocks.1.resnets.0.conv_shortcut.weight"][:, :, 0, 0],
                average["up_0/block_0/nin_shortcut/W"][...].T,
            )
            np.testing.assert_array_equal(
                weights["conv_norm_out.bias"], average["norm_out/beta"][...]
            )

    def test_the_metadata_say_the_rest(self):
        path = Files.exported / "unet" / "diffusion_pytorch_model.safetensors"
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata()
        self.assertEqual(metadata["format"], "pt")
        record = json.loads(metadata["ddpm-dist"])
        self.assertEqual((record["step"], record["weights"]), (2, "average"))
        self.assertEqual(record["dataset"], "pictures.h5")
        with h5py.File(Files.folder / "checkpoints" / "step-00000002.h5") as file:
            self.assertEqual(record["configuration"], text(file["config"][()]))
            self.assertEqual(record["loss"], file["progress"].attrs["loss"])
            hash_ = text(file["provenance"].attrs["dataset_hash"])
        self.assertEqual(record["datasetHash"], hash_)

    def test_configurations(self):
        names = {
            str(path.relative_to(Files.exported))
            for path in Files.exported.rglob("*") if path.is_file()
        }  # fmt: skip
        self.assertEqual(names, {
            "README.md", "model_index.json", "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json",
        })  # fmt: skip
        for name in names:
            if not name.endswith(".json"):
                continue
            content = (Files.exported / name).read_text()
            keys = list(json.loads(content))
            self.assertEqual(keys, sorted(keys))
            self.assertTrue(content.startswith("{\n  \"_class_name\"") and content.endswith("}\n"))
        unet = json.loads((Files.exported / "unet" / "config.json").read_text())
        self.assertIs(unet["attention_head_dim"], None)
        self.assertIs(unet["flip_sin_to_cos"], False)
        self.assertEqual((unet["downsample_padding"], unet["norm_eps"]), (0, 1e-6))
        scheduler = (Files.exported / "scheduler" / "scheduler_config.json").read_text()
        with h5py.File(Files.folder / "checkpoints" / "step-00000002.h5") as file:
            betas = file["diffusion/betas"][...].tolist()
        self.assertEqual(json.loads(scheduler)["trained_betas"], betas)
        card = (Files.exported / "README.md").read_text()
        self.assertIn("num_inference_steps=200", card)
        self.assertIn("license: MIT\n", card)


class Prediction(unittest.TestCase):
    """`ddpm-dist predict` on a file that h5py wrote."""

    def test_prediction_has_the_shape_of_its_input(self):
        with h5py.File(Files.prediction) as file:
            self.assertEqual(text(file.attrs["format"]), "ddpm-prediction")
            self.assertEqual(int(file.attrs["version"]), 1)
            prediction = file["prediction"]
            self.assertEqual(prediction.dtype, np.float32)
            self.assertEqual(prediction.shape, (2, SIDE, SIDE, 1))
            self.assertTrue(np.isfinite(prediction[...]).all())


class Samples(unittest.TestCase):
    """`ddpm-sample` with a picture, an HDF5 file and an npz file."""

    def test_hdf5(self):
        with h5py.File(Files.samples.with_suffix(".h5")) as file:
            self.assertEqual(file["samples"].dtype, np.uint8)
            self.assertEqual(file["samples"].shape, (SAMPLES, SIDE, SIDE, 1))
            self.assertGreater(len(file.attrs) + len(file["samples"].attrs), 0)
            view = file[file.attrs["default"]]
            np.testing.assert_array_equal(view[view.attrs["signal"]], file["samples"][..., 0])

    def test_npz_holds_the_same_images_on_the_scale_of_bytes(self):
        path = Files.samples.with_suffix(".npz")
        self.assertIsNone(zipfile.ZipFile(path).testzip())
        with np.load(path) as archive, h5py.File(path.with_suffix(".h5")) as file:
            self.assertEqual(archive.files, ["arr_0"])
            self.assertEqual(archive["arr_0"].dtype, np.uint8)
            levels = file["samples"].attrs["levels"]
            scaled = np.rint(file["samples"][...] * (255 / (levels - 1)))
            np.testing.assert_array_equal(archive["arr_0"], scaled)

    def test_png_is_whole(self):
        data = Files.samples.with_suffix(".png").read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        chunks, position = [], 8
        while position < len(data):
            (length,) = struct.unpack_from(">I", data, position)
            kind, body = data[position + 4 : position + 8], data[position + 8 :][:length]
            (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
            self.assertEqual(zlib.crc32(kind + body), checksum, kind)
            chunks.append((kind, body))
            position += 12 + length
        self.assertEqual((chunks[0][0], chunks[-1]), (b"IHDR", (b"IEND", b"")))
        width, height, depth, colour = struct.unpack_from(">IIBB", chunks[0][1])
        self.assertGreaterEqual(width * height, SAMPLES * SIDE * SIDE)
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        rows = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
        self.assertEqual(len(rows), height * (1 + (width * depth * channels + 7) // 8))


class Files:
    """Where the files under test are, and what went into them."""

    @classmethod
    def make(cls, folder: pathlib.Path):
        random = np.random.default_rng(3)
        cls.pixels = random.integers(0, LEVELS, (IMAGES, SIDE, SIDE, 1), dtype=np.uint8)
        cls.labels = random.integers(0, 10, IMAGES)
        table = folder / "pictures.csv"
        rows = np.column_stack([cls.pixels.reshape(IMAGES, -1), cls.labels])
        np.savetxt(table, rows, fmt="%d", delimiter=",")

        cls.dataset = folder / "pictures.h5"
        run("ddpm-dist", "dataset", "import", "csv", table, "--output", cls.dataset)

        cls.gaussian, cls.mixture, cls.coin = (
            folder / f"{name}.h5" for name in ("gaussian", "mixture", "coin")
        )
        for path, options in (
            (cls.gaussian, ("--correlation", 0.8)), (cls.mixture, ("--weights", "4,3,2,1,1")),
            (cls.coin, ()),
        ):  # fmt: skip
            run("ddpm-dist", "dataset", "make", path.stem, "--count", IMAGES,
                "--output", path, *options)  # fmt: skip

        cls.scenes, cls.held_out = folder / "scenes.h5", folder / "held-out.h5"
        cls.coloured = folder / "coloured.h5"
        for path, *options in (
            (cls.scenes, "digit-scenes"),
            (cls.held_out, "digit-scenes", "--part", "held-out", "--language", "chinese"),
            (cls.coloured, "coloured-digits"),
        ):
            run("ddpm-dist", "dataset", "make", *options, "--count", IMAGES,
                "--output", path)  # fmt: skip

        cls.folder = folder / "run"
        run(
            "ddpm-dist", "train", "--data", cls.dataset, "--run", cls.folder,
            "--steps", 2, "--seed", 5, "--set", "average_lengths=[0.05, 0.1]", "average_every=1",
            "checkpoint_every=1",
        )  # fmt: skip
        cls.average = folder / "average.h5"
        run("ddpm-dist", "average", "--run", cls.folder, "--length", 0.08,
            "--output", cls.average)  # fmt: skip

        cls.exported = folder / "exported"
        run("ddpm-dist", "export", "diffusers", cls.folder, cls.exported,
            "--license", "MIT")  # fmt: skip

        inputs = folder / "inputs.h5"
        cls.prediction = folder / "prediction.h5"
        with h5py.File(inputs, "w") as file:
            file["x_t"] = random.standard_normal((2, SIDE, SIDE, 1)).astype(np.float32)
            file["t"] = np.array([0, 9])
        checkpoint = cls.folder / "checkpoints" / "step-00000002.h5"
        run("ddpm-dist", "predict", "--ckpt", checkpoint, "--input", inputs,
            "--output", cls.prediction)  # fmt: skip

        cls.samples = folder / "samples"
        outputs = [cls.samples.with_suffix(suffix) for suffix in (".png", ".h5", ".npz")]
        run("ddpm-sample", "--ckpt", cls.folder, "--count", SAMPLES, "--seed", 7,
            *(word for output in outputs for word in ("--out", output)))  # fmt: skip


def main():
    global programs
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    programs = pathlib.Path(sys.argv.pop(1)).resolve()
    with tempfile.TemporaryDirectory() as folder:
        try:
            Files.make(pathlib.Path(folder))
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print(error)
            print("0 passed, 1 failed")
            sys.exit(1)
        result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
