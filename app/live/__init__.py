"""Live data in the serving process: collected by one thread, told to those who listen."""
