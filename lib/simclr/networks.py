"""The networks that an encoder may have: the source's, and others to compare it with."""

SOURCE = "source"
# The convolutional part of each encoder: channels of a 3x3 convolution (/2: with stride 2), a residual
# block of two (He et al. 2016), or max pooling with dropout.
NETWORKS = {
    SOURCE: "32 32 pool 64 64 pool",
    "narrow": "16 16 pool 32 32 pool",
    "wide": "64 64 pool 128 128 pool",
    "deep": "32 32 32 pool 64 64 64 pool",
    "residual": "32 residual pool 64 residual pool",
    "strided": "32/2 32 64 64 pool",
}
