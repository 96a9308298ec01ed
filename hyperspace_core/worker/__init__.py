"""The process that claims runs, watches over those that execute them, and brings home what they tell."""
