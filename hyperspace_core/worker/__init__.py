"""The process that claims runs, watches over the processes that execute them, and brings home what they tell."""
