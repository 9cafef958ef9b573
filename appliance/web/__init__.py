"""Pages and API over HTTPS: the unprivileged process."""
