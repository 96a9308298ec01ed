"""How one run is executed: the job as a process hands it to another, the process that executes it, its
guardian.
"""
