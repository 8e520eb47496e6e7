"""The order of the work: Prefect flows over the DVC graph. Nothing here loads torch or a plugin."""

from flows.environment import settle

# Here and not in each entry point: Prefect and DVC read these variables while they are imported.
settle()
