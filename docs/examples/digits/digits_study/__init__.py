"""Which classifier reads handwritten digits best?"""
