"""The offline work, one package per stage, in the order data meets them."""
