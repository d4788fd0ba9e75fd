"""What runs the network in a worker: OpenVINO on a CPU, torch with CUDA graphs on a GPU, plain torch anywhere."""
