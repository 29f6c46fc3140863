"""Human studies: a page of blinded pairs to vote on, and what the votes say of systems and of metrics."""
