#!/usr/bin/env python3
"""Writes events.bin: two numbers and a picture of step 7, as TensorBoard's own writer has them.

    pip install tensorboard==2.21.0 pillow
    Tests/ReportsTests/Fixtures/record_events.py
"""

import io
import pathlib

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

folder = pathlib.Path(__file__).parent
png = io.BytesIO()
Image.frombytes("L", (3, 2), bytes([0, 50, 100, 150, 200, 250])).save(png, "PNG")
(folder / "picture.png").write_bytes(png.getvalue())
with (folder / "events.bin").open("wb") as file:
    writer = RecordWriter(file)
    writer.write(Event(wall_time=1000.5, file_version="brain.Event:2").SerializeToString())
    values = [
        Summary.Value(tag="loss", simple_value=0.15989485222814598),
        Summary.Value(tag="terms/kl", simple_value=-3.0),
    ]
    writer.write(
        Event(wall_time=1001.25, step=7, summary=Summary(value=values)).SerializeToString())
    image = Summary.Image(
        height=2, width=3, colorspace=1, encoded_image_string=png.getvalue())
    writer.write(
        Event(
            wall_time=1002.0, step=300000000000,
            summary=Summary(value=[Summary.Value(tag="samples", image=image)]),
        ).SerializeToString())
