"""What is stored, as frozen records; no store, no project and no user code is known here."""
