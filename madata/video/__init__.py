"""Video and sound: probe, one-pass decoding, exact cutting and writing, on PyAV alone (no ffmpeg program)."""

from madata.video.audio import Sound, SoundTrack, read_audio
from madata.video.cut import ClipSound, CutRequest, CutResult, cut
from madata.video.decode import Decoder, DecodeReport, Frame
from madata.video.encode import EncodeSettings
from madata.video.frames import read_frames
from madata.video.probe import probe
from madata.video.thumbnails import encode_jpeg, encode_png
from madata.video.write import write_video

__all__ = [
    "ClipSound",
    "CutRequest",
    "CutResult",
    "DecodeReport",
    "Decoder",
    "EncodeSettings",
    "Frame",
    "Sound",
    "SoundTrack",
    "cut",
    "encode_jpeg",
    "encode_png",
    "probe",
    "read_audio",
    "read_frames",
    "write_video",
]
