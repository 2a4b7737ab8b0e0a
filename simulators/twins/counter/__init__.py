"""An Axis people counter as its receiver sees it: pushes that grow until one is answered with exactly 200."""
