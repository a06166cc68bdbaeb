"""Draws how the error of each solver falls with its evaluations: docs/images/orders.svg.

    pip install numpy==2.4.6 h5py==3.14.0
    docs/course/orders.py CHECKPOINT FOLDER FIGURE.svg

Draws 16 images from the same noise by each solver, in more and more steps, and compares them with those
of rk45 at the tolerance 1e-8: the root of the mean square of the difference of x_0, which --trajectory
keeps as floats. Nothing is clipped, so that what is solved is a smooth equation. All take the grid
log_snr, whose last step is 1: there x_0 is emitted by all, rk45 too.
"""

import os
import subprocess
import sys

import h5py
import numpy as np

PROGRAM = ".build/release/ddpm-sample"
SOLVERS = [  # label, options, evaluations of K steps, colour, dashed
    ("euler (ddim)", ["euler"], lambda k: k, "#888888", False),
    ("heun", ["heun"], lambda k: 2 * k - 1, "#222222", False),
    ("dpm-solver++, order 2", ["dpm-solver++", "--order", "2"], lambda k: k, "#1b9e77", False),
    ("dpm-solver++, order 3", ["dpm-solver++", "--order", "3"], lambda k: k, "#1b9e77", True),
    ("unipc, order 2", ["unipc", "--order", "2"], lambda k: k, "#d95f02", False),
    ("unipc, order 3", ["unipc", "--order", "3"], lambda k: k, "#d95f02", True),
]
STEPS = (5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160)


def images(checkpoint, path, options):
    """x_0 of 16 images as floats."""
    if not os.path.exists(path):
        subprocess.run(
            [PROGRAM, "--ckpt", checkpoint, "--count", "16", "--no-clip", "--trajectory", "--frames",
             "2", "--out", path, "--sampler", *options], check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
    with h5py.File(path) as file:
        return file["x_0"][:, -1].astype(np.float64)


def curve(checkpoint, folder, label, options, exact):
    points = []
    for steps in STEPS:
        name = label.replace(" ", "-").replace(",", "")
        found = images(
            checkpoint, f"{folder}/orders-{name}-{steps}.h5",
            [*options, "--steps", str(steps), "--grid", "log_snr"])
        points.append(np.sqrt(np.mean((found - exact) ** 2)))
    return points


def figure(curves):
    """Both axes logarithmic, the slopes of orders 1 to 3 beside."""
    width, height, left, right, top, bottom = 720, 440, 78, 208, 20, 52
    xs = (4, 400)
    low = min(min(errors) for _, errors in curves)
    ys = (10 ** np.floor(np.log10(low)), 1)

    def x(v):
        return left + (width - left - right) * np.log(v / xs[0]) / np.log(xs[1] / xs[0])

    def y(v):
        return top + (height - top - bottom) * (1 - np.log(v / ys[0]) / np.log(ys[1] / ys[0]))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for v in (5, 10, 20, 50, 100, 200):
        out.append(f'<path d="M{x(v):.1f} {top}V{height - bottom}" stroke="#e4e4e4"/>')
        out.append(f'<text x="{x(v):.1f}" y="{height - bottom + 18}" text-anchor="middle">{v}</text>')
    power = int(np.log10(ys[0]))
    for p in range(power, 1):
        out.append(f'<path d="M{left} {y(10.0**p):.1f}H{width - right}" stroke="#e4e4e4"/>')
        out.append(f'<text x="{left - 8}" y="{y(10.0**p) + 4:.1f}" text-anchor="end">10'
                   f'<tspan dy="-5" font-size="10">{p}</tspan></text>')
    for (label, _, evaluations, colour, dashed), errors in curves:
        path = "L".join(
            f"{x(evaluations(k)):.1f} {y(e):.1f}" for k, e in zip(STEPS, errors))
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    for i, ((label, _, _, colour, dashed), errors) in enumerate(curves):
        yy = top + 16 + 22 * i
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        out.append(f'<path d="M{width - right + 14} {yy - 4}h28" stroke="{colour}" '
                   f'stroke-width="2"{dash}/>')
        out.append(f'<text x="{width - right + 48}" y="{yy}">{label}</text>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 12}" text-anchor="middle">'
               "evaluations of the network for an image</text>")
    out.append(f'<text transform="translate(18 {(top + height - bottom) / 2}) rotate(-90)" '
               'text-anchor="middle">error of the image (root mean square)</text>')
    return "\n".join(out) + "\n</svg>\n"


def main():
    checkpoint, folder, target = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    exact = images(checkpoint, f"{folder}/orders-exact.h5", ["rk45", "--tolerance", "1e-8"])
    curves = [
        (solver, curve(checkpoint, folder, solver[0], solver[1], exact)) for solver in SOLVERS]
    print("| steps | " + " | ".join(str(k) for k in STEPS) + " |")
    print("| --- |" + " ---: |" * len(STEPS))
    for (label, *_), errors in curves:
        print(f"| {label} | " + " | ".join(f"{e:.1e}" for e in errors) + " |")
    with open(target, "w", encoding="utf-8") as file:
        file.write(figure(curves))


main()
