"""Networks and tensors of the golden files, which hold their own weights under the authors' names."""

import json

import torch

from baselines.wan_dancer.names import dancer_name
from baselines.wan_dancer.network import WanDancerTransformer


def config_of(archive):
    """Arguments of the network of a golden file."""
    model = json.loads(str(archive["cfg"]))["model"]
    return {
        "num_attention_heads": model["num_heads"],
        "attention_head_dim": model["dim"] // model["num_heads"],
        "text_dim": model["text_dim"],
        "freq_dim": model["freq_dim"],
        "ffn_dim": model["ffn_dim"],
        "num_layers": model["num_layers"],
        "image_dim": model["image_dim"],
        "music_dim": model["music_dim"],
        "music_ffn_dim": model["music_ff"],
        "music_heads": model["music_heads"],
        "inject_after": tuple(model["inject_layers"]),
    }


def network_of(archive):
    """The network with whatever weights the file holds."""
    network = WanDancerTransformer(**config_of(archive)).eval()
    named = {
        name[3:]: torch.from_numpy(archive[name]).float() for name in archive.files if name.startswith("sd/")
    }
    filled = {dancer_name(name): tensor for name, tensor in named.items() if dancer_name(name)}
    assert not network.load_state_dict(filled, strict=False).unexpected_keys
    return network


def tensor_of(archive, *names):
    """Float32 tensors of a file, joined over the channels (axis 1)."""
    return (
        torch.cat([torch.from_numpy(archive[name]).float() for name in names], dim=1)
        if len(names) > 1
        else (torch.from_numpy(archive[names[0]]).float())
    )
