"""MEGADance: codes of poses, the GPT of genre experts, a classifier, all as one model, the ``motion`` system."""
