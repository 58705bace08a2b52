"""Reading the layers of any network: their outputs, their calls, what can be read of them."""
