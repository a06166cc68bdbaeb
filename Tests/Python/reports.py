#!/usr/bin/env python3
"""Shows that what a run leaves for readers is what its log says, and that its page works in a browser.

    pip install tensorboard==2.21.0 pandas==3.1.1 selenium==4.52.0 axe-playwright-python==0.1.8 silx==3.1.3
    apt-get install chromium chromium-driver poppler-utils
    Tests/Python/reports.py .build/release [--lines 800000]

Trains the digits, kills the run, resumes it, and compares TensorBoard's own reader and pandas with
metrics.jsonl; opens the page in headless Chromium without a network, with scripts and without, on a wide
and a narrow window, and on paper, lets axe look for what people cannot reach; opens dataset, samples and
checkpoint as silx does; and makes a page of a run of 800,000 lines, which is then resumed.
The last line reads "N passed, N failed".
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import axe_playwright_python
import h5py
import numpy as np
import pandas as pd
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from silx.io import nxdata
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

passed = failed = 0


def check(name, holds, seen=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"FAILED {name}: {seen}")


def flat(value, path=""):
    """The numbers of a line of the log, each by its path."""
    if isinstance(value, dict):
        for key in value:
            yield from flat(value[key], f"{path}/{key}" if path else key)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from flat(element, f"{path}/{index}")
    elif not isinstance(value, str):
        yield path, float(value)


def compare(run):
    """TensorBoard's reader and pandas give exactly what the log has."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    check("each step is there once", [line["step"] for line in lines] == list(range(1, len(lines) + 1)))
    wanted, norms = {}, {}
    for line in lines:
        for path, value in flat(line):
            if path.startswith("gradient_norms/"):
                norms.setdefault(line["step"], []).append(value)
            elif path != "step":
                wanted.setdefault(path, []).append((line["step"], value))
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    events.Reload()
    for path, values in wanted.items():
        found = [(event.step, np.float32(event.value)) for event in events.Scalars(path)]
        check(f"TensorBoard: {path}", found == [(step, np.float32(value)) for step, value in values])
    check("TensorBoard: no other number", set(events.Tags()["scalars"]) == set(wanted))
    found = [(event.step, event.histogram_value) for event in events.Histograms("gradient_norms")]
    check("TensorBoard: steps of histograms", [step for step, _ in found] == list(norms))
    for step, histogram in found:
        values = norms[step]
        check(f"TensorBoard: norms of step {step}", (histogram.num, histogram.min, histogram.max)
              == (len(values), min(values), max(values)), histogram)  # fmt: skip
    grids = sorted((run / "samples").glob("step-????????.png"))
    found = events.Images("samples") if grids else []
    check(
        "TensorBoard: grids",
        sorted(event.encoded_image_string for event in found)
        == sorted(grid.read_bytes() for grid in grids))
    table = pd.read_csv(run / "metrics.csv")
    for path, values in wanted.items():
        column = table[["step", path]].dropna()
        check(
            f"pandas: {path}",
            list(zip(column["step"], column[path].astype(float), strict=True)) == values)


def browser(scripts=True, width=1280):
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(word)
    if not scripts:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    return driver


def look(page, run):
    """The page in a browser."""
    address = page.resolve().as_uri()
    axe = next(pathlib.Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = {str(line["step"]): line["loss"] for line in lines}
    driver = browser()
    driver.get(address)
    check("no error of the console", not driver.get_log("browser"), driver.get_log("browser"))
    widths = driver.execute_script("return [...document.images].map((image) => image.naturalWidth)")
    check("all pictures are there", widths and all(widths), widths)
    section = driver.find_element(By.CSS_SELECTOR, ".figure[data-smoothed=true]")
    line = section.find_element(By.CSS_SELECTOR, "polyline[data-key]")
    before = line.get_attribute("points")
    slider = section.find_element(By.CSS_SELECTOR, ".slider input")
    slider.send_keys(Keys.ARROW_LEFT)
    check("smoothing changes the line", line.get_attribute("points") != before)
    slider.send_keys(Keys.ARROW_RIGHT)
    check("and back", line.get_attribute("points") == before)
    svg = section.find_element(By.CSS_SELECTOR, "svg")
    ActionChains(driver).scroll_to_element(svg).move_to_element(svg).perform()
    said = section.find_element(By.CSS_SELECTOR, "output").text
    words = said.split(" · ")[0].replace(":", "").split()
    check("the number under the pointer", float(words[3]) == losses[words[1]], said)
    check("and the smoothed one", words[4] == "(smoothed" and 0 < float(words[5][:-1]) < 1e3, said)
    check("of all lines", "validation" in said, said)
    section.find_element(By.CSS_SELECTOR, "input.logarithmic").click()
    check("a scale of logarithms", section.find_element(By.CSS_SELECTOR, ".logarithms").is_displayed())
    shown = [figure.is_displayed() for figure in driver.find_elements(By.CSS_SELECTOR, ".grids figure")]
    check("one grid at a time", sum(shown) == 1 and shown[-1], shown)
    driver.find_element(By.CSS_SELECTOR, ".slider:has(+ .grids) input").send_keys(Keys.HOME)
    check(
        "the first grid",
        driver.find_element(By.CSS_SELECTOR, ".grids figure").is_displayed())
    driver.execute_script(axe)
    for state in ("as it is", "with all details"):
        found = driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
        check(f"axe, {state}", not found, [(v["id"], v["nodes"][0]["html"][:200]) for v in found])
        driver.execute_script("document.querySelectorAll('details').forEach((x) => (x.open = true))")
    driver.quit()

    narrow = browser(width=320)
    narrow.get(address)
    width = narrow.execute_script("return document.documentElement.scrollWidth")
    check("320 pixels are enough", width <= 320, width)
    narrow.quit()
    still = browser(scripts=False)
    still.get(address)
    check("figures without scripts", len(still.find_elements(By.CSS_SELECTOR, ".figure polyline")) > 5)
    grids = still.find_elements(By.CSS_SELECTOR, ".grids figure")
    check("grids without scripts", grids and all(grid.is_displayed() for grid in grids))
    still.quit()


def print_page(page, folder):
    """The page on paper has all its parts."""
    paper = folder / "page.pdf"
    words = ["chromium", "--headless=new", "--no-sandbox", f"--print-to-pdf={paper}", page.resolve().as_uri()]
    subprocess.run(words, check=True, capture_output=True)
    text = subprocess.run(["pdftotext", paper, "-"], capture_output=True, text=True, check=True).stdout
    for part in ("Through training", "Loss by timestep", "machines and starts", "provenance", "XXH3-128"):
        check(f"on paper: {part}", part in text, text[:2000])


def view(build, run, folder):
    """What silx opens first of a file: pictures and curves."""
    samples, grey = folder / "samples.h5", folder / "grey.h5"
    words = [build / "ddpm-sample", "--ckpt", run, "--count", "10", "--steps", "5", "--out", samples]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    words = [build / "ddpm-dist", "dataset", "make", "digit-scenes", "--count", "70", "--output", grey]
    subprocess.run(words, check=True, capture_output=True)
    checkpoint = sorted((run / "checkpoints").glob("step-*.h5"))[-1]
    for path, name in [(samples, "/view/images"), (grey, "/view/first_images"), (checkpoint, "/history/loss")]:
        with h5py.File(path) as file:
            shown = nxdata.get_default(file, validate=True)
            check(f"silx: {path.name}", shown is not None and shown.signal.name == name)
            check(f"silx: {name}", shown.is_curve if path == checkpoint else shown.is_image)
            if path == samples:
                check("silx: the same images", np.array_equal(shown.signal, file["samples"][..., 0]))


def long_run(program, folder, count):
    """A page of a long run: its size, and the time of the first and the second."""
    run = folder / "long"
    (run / "samples").mkdir(parents=True)
    (run / "config.yaml").write_text(f"name: long\nsteps: {count}\n")
    random = np.random.default_rng(1)
    with (run / "metrics.jsonl").open("w") as file:
        for step in range(1, count + 1):
            loss = 0.05 + 1 / step + 0.01 * random.random()
            bins = {"loss_by_timestep": [loss * 16] * 8, "images_by_timestep": [16] * 8}
            line = {
                "gradient_norm": loss * 3, "images": step * 128, "images_per_second": 1000 + loss,
                "learning_rate": 0.001, "loss": loss, "seconds": step / 8, "step": step, "sums": bins,
                "terms": {"simple": loss},
            }  # fmt: skip
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    times = []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run([program, "report", run], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - began)
    size = (run / "report.html").stat().st_size
    print(f"{count} lines: {times[0]:.1f} s, then {times[1]:.2f} s; {size / 1e6:.2f} MB")
    check("the first page of a long run", times[0] < 20, times)
    check("the second", times[1] < 1, times)
    check("its size", size < 5e6, size)
    # The same log in a real run, which goes on behind it.
    real = folder / "real"
    words = [program, "train", "--run", real, "--set", "channels=8", "groups=4", "checkpoint_every=1", "--steps"]
    subprocess.run([*words, "1"], check=True, stderr=subprocess.DEVNULL)
    # Its only checkpoint is of step 1: of the log, 1 line stays.
    (real / "metrics.jsonl").write_bytes((run / "metrics.jsonl").read_bytes())
    subprocess.run([*words, "2", "--resume"], check=True, stderr=subprocess.DEVNULL)
    steps = [json.loads(line)["step"] for line in (real / "metrics.jsonl").read_text().splitlines()]
    check("of a long log what is kept", steps == [1, 2], steps[:9])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--lines", type=int, default=800_000)
    arguments = parser.parse_args()
    program = arguments.build.resolve() / "ddpm-dist"
    os.environ["OMPI_ALLOW_RUN_AS_ROOT"] = os.environ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    with tempfile.TemporaryDirectory(prefix="ddpm-reports-") as name:
        folder = pathlib.Path(name)
        run = folder / "run"
        words = [
            program, "train", "--run", run, "--steps", "120", "--set", "checkpoint_every=20",
            "sample_every=40", "validation=0.1", "validation_every=10", "gradient_norms_every=20",
            "name='<script>alert(1)</script>'",
        ]  # fmt: skip
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
            while not (run / "checkpoints/step-00000060.h5").exists():
                time.sleep(0.1)
            time.sleep(0.5)
            os.kill(process.pid, signal.SIGKILL)
        words = [program, "watch", "--once", run]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        check("a killed run is dead", "dead" in told.splitlines()[0], told)
        # On two ranks, of which lines tell the times.
        words = ["mpirun", "-n", "2", "--bind-to", "none", program, "train", "--run", run, "--resume"]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        compare(run)
        words = [program, "evaluate", "--ckpt", run, "--count", "32", "--output", run / "bound.json"]
        subprocess.run(words, check=True, capture_output=True)
        subprocess.run([program, "report", run], check=True, capture_output=True)
        page = (run / "report.html").read_text()
        check("norms of parts", "Norm of the gradient, by part" in page)
        check("terms of the bound", "Terms of the bound, stacked" in page and "L_1 …" in page)
        check("the name is text", "<script>alert" not in page and "&lt;script&gt;alert(1)" in page)
        check("ranks and machines", "Work of a step, by rank" in page and "seconds a step" in page)
        look(run / "report.html", run)
        print_page(run / "report.html", folder)
        view(arguments.build.resolve(), run, folder)
        long_run(program, folder, arguments.lines)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
