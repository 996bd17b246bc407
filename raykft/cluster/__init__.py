"""Ray: connections, places for hosts, jobs. What is private to Ray is in `ray_compat` alone."""
