"""What the joints of one clip say: features in body units, published features, motion beats, feet."""
