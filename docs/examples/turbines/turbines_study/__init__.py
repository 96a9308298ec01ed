"""How much power does each wind turbine give at this wind?"""
