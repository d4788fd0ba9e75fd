"""Engines that run the network: OpenVINO on a CPU, torch with CUDA graphs on a GPU, plain torch on either."""
