"""One way to hand out work: rows under leases are claimed, done by workers, and waited for."""
