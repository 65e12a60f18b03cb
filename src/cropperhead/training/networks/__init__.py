"""The networks, one file each. Importing any of them makes batch normalization portable."""

from cropperhead.training.networks.portable import use_exact_batch_normalization

use_exact_batch_normalization()
