"""The page and the API on :5000: is it all right, which device, what happened to this event?"""
