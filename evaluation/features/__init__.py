"""Everything that opens media or joints: per-clip features, and how they are kept. Metrics look at tables of these."""
