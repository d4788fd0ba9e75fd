"""Engines that run the network: OpenVINO on a CPU; CUDA graphs, ONNX Runtime or TensorRT on a GPU; plain torch."""
