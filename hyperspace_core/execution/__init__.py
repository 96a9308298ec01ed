"""How one run is executed: the job as it is handed over, the process that executes it, its guardian."""
