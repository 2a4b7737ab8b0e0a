"""One idea a module, all pure: values in, values out."""
