"""The generic engine: any network that is a module, trained by autograd, one after another."""
