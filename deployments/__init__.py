"""When and where the flows run: the plan from settings and the year's data, and what puts it into Prefect."""
